"""Parts of the script that a device runs by itself (script.py joins them): a bundle replayed, timed, signed for."""
