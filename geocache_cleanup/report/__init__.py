"""What people and monitoring ask: check and history."""
