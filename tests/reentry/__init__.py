"""User code that is called from inside of the package and does there what it should not: no crash, a Session that goes on."""
