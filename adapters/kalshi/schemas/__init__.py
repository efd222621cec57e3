"""Wire structs: fields as sent, nothing parsed, unknown fields tolerated, order enums strict."""
