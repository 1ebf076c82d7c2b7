"""The page that shows what a model says of pictures: one for an export that runs in a browser, and for a server."""
