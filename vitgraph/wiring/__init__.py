"""What several architectures are wired of: internal, no builder is imported here."""
