"""Documents of Oura's API v2, and the tables that are made of them."""
