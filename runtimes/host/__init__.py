"""Another process that runs a bundle: one self-contained runner, wherever its interpreter lives."""
