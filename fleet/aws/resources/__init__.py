"""The AWS resources that a fleet is made of, one file each."""
