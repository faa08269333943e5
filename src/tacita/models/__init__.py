"""What ships to a phone: policy packs, and the signed chain that they are trusted by (the only home of tuf)."""
