"""The HTTP adapters: thin, every decision lies in `service.predict`."""
