package wire

import "encoding/base64"

// Trailing bits that are not zero are refused: one value has one form.
var base64Strict = base64.StdEncoding.Strict()

func encodeBase64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
