# Documents that are shipped.
