"""Lets requests in, one after the other."""


def allowed(token: str) -> bool:
    return token.startswith("app-")
