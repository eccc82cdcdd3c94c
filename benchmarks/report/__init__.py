"""From measured figures to tables and pictures, and the file that keeps them."""
