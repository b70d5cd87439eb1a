"""Who may do what: keys with scopes and rates, hashed at rest; no HTTP."""
