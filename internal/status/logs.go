package status

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/wifmint/wifmint/internal/keeper"
)

// maxLogLine is CloudWatch Logs' limit for an event, and room for what a tool puts
// before it.
const maxLogLine = 1<<20 + 4096

// Sighting is a log line of a function that names a token.
type Sighting struct {
	Time      time.Time `json:"time,omitzero"`
	RequestID string    `json:"request_id,omitempty"`
	Function  string    `json:"function,omitempty"`
	Target    string    `json:"target,omitempty"`
	Secret    string    `json:"secret,omitempty"`
	Step      string    `json:"step,omitempty"` // of a rotation
	VersionID string    `json:"version_id,omitempty"`
	Principal string    `json:"principal,omitempty"`
	Expiry    time.Time `json:"expiry,omitzero"`
}

// Sightings are what a log tells of a token.
type Sightings struct {
	// Minted is where it was made; nil if that is not in the log.
	Minted *Sighting `json:"minted,omitempty"`
	// First and Last are the others; nil if there are none.
	First *Sighting `json:"first,omitempty"`
	Last  *Sighting `json:"last,omitempty"`
	Lines int       `json:"lines"`
	// Skipped are lines longer than any of the functions' is, whatever they are about.
	Skipped int `json:"skipped,omitempty"`
}

// ReadLog finds the lines about the token with a fingerprint in the functions' JSON
// log. Other lines are no error, and neither is what a tool puts before the JSON,
// such as the time that "aws logs tail" does. A line of more than 1 MiB is skipped.
func ReadLog(log io.Reader, fingerprint string) (Sightings, error) {
	var s Sightings
	lines := bufio.NewReaderSize(log, maxLogLine)
	for {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			s.Skipped++
			err = skipLine(lines)
		} else {
			s.add(parseLine(line, fingerprint))
		}
		if errors.Is(err, io.EOF) {
			return s, nil
		}
		if err != nil {
			return s, fmt.Errorf("reading the log: %w", err)
		}
	}
}

// skipLine reads on to the end of a line.
func skipLine(lines *bufio.Reader) error {
	for {
		if _, err := lines.ReadSlice('\n'); !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
}

// add takes what parseLine makes of a line.
func (s *Sightings) add(seen *Sighting, minted bool) {
	switch {
	case seen == nil:
		return
	case minted && s.Minted == nil:
		s.Minted = seen
	case s.First == nil:
		s.First, s.Last = seen, seen
	default:
		s.Last = seen
	}
	s.Lines++
}

// parseLine returns nil for a line that is not about the token.
func parseLine(line []byte, fingerprint string) (seen *Sighting, minted bool) {
	begin := bytes.IndexByte(line, '{')
	if begin < 0 || !bytes.Contains(line, []byte(fingerprint)) {
		return nil, false
	}
	var fields struct {
		Timestamp   time.Time `json:"timestamp"`
		RequestID   string    `json:"requestId"`
		Function    string    `json:"function"`
		Target      string    `json:"target"`
		Secret      string    `json:"secret"`
		Step        string    `json:"step"`
		Outcome     string    `json:"outcome"`
		VersionID   string    `json:"version_id"`
		Principal   string    `json:"principal"`
		Expiry      time.Time `json:"expiry"`
		TokenSHA256 string    `json:"token_sha256"`
	}
	if json.Unmarshal(line[begin:], &fields) != nil || fields.TokenSHA256 != fingerprint {
		return nil, false
	}
	seen = &Sighting{
		Time: fields.Timestamp, RequestID: fields.RequestID, Function: fields.Function, Target: fields.Target, Secret: fields.Secret,
		Step: fields.Step, VersionID: fields.VersionID, Principal: fields.Principal, Expiry: fields.Expiry,
	}
	return seen, fields.Outcome == string(keeper.Minted)
}
