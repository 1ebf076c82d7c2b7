"""The documentation site: pages of docs/ and pages written from the code, brought together and built by Zensical."""
