"""The page at `/`, the API's description at `/docs`, and the files of both."""
