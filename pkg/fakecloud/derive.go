package fakecloud

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// derived is what looks random and is decided by a seed and a label alone,
// not by what was drawn before: concurrent calls cannot change it.
type derived [sha256.Size]byte

func derive(seed uint64, label ...any) derived {
	return sha256.Sum256(fmt.Appendf(nil, "%d %#v", seed, label))
}

// fraction is in [0, 1).
func (d derived) fraction() float64 {
	return float64(binary.BigEndian.Uint64(d[:])>>11) / (1 << 53)
}

// letters returns up to 32 characters of A-Z, a-z and 0-9.
func (d derived) letters(n int) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	text := make([]byte, n)
	for i := range text {
		text[i] = alphabet[int(d[i])%len(alphabet)]
	}
	return string(text)
}

// uuid is a version 4 UUID.
func (d derived) uuid() string {
	d[6], d[8] = d[6]&0x0f|0x40, d[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", d[0:4], d[4:6], d[6:8], d[8:10], d[10:16])
}
