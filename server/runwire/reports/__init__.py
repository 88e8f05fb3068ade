"""Reports of browser tests for people and for CI. Floor 3; pure: values in, bytes out."""
