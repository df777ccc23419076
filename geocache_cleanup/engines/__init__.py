"""The databases: what each engine offers, and one folder for each."""
