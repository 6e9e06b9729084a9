-- A nonce may come again with another request, from where it came first: what tells that.
ALTER TABLE nonce ADD COLUMN address TEXT;
ALTER TABLE nonce ADD COLUMN uses INTEGER;
