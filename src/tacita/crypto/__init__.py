"""Keys, signatures and sealing. The only home of `cryptography`; nothing here invents a construction of its own."""
