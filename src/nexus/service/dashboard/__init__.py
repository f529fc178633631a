"""The dashboard: the pages a person opens in the browser."""
