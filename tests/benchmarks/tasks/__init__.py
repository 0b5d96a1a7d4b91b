"""What each zoo model is asked to do: samples as it wants them, and its own metric."""
