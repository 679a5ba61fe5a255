"""What each adapter asks of a vendor, held against the vendor's own description of its API."""
