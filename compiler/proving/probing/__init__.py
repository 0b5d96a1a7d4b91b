"""Why a node did not run on the provider wanted: its forms, tried alone on the same place."""
