"""The bill of materials of a bundle (CycloneDX 1.6) and its licence notice, both bound by the manifest."""
