"""What translations of the official repositories' arguments share."""


def no_more(config, known):
    unknown = set(config) - set(known)
    if unknown:
        raise NotImplementedError(f"arguments without a translation: {sorted(unknown)}")
