"""What changed between two bundles, part by part; each part reads only what the bundles hold."""
