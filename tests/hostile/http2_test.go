package hostile_test

import (
	"encoding/binary"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
)

// streams are what a hostile server may do with an HTTP/2 connection, beyond what it
// may do with a request. Each plays a connection from its beginning; when it returns,
// nothing more comes.
var streams = map[string]func(p *peer){
	"greets, and says nothing":            func(p *peer) { p.greet() },
	"does not greet":                      func(*peer) {},
	"hangs up at the greeting":            func(p *peer) { p.Close() },
	"does not speak HTTP/2":               func(p *peer) { send(p, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") },
	"repeats the request, and no HTTP/2":  eachStream(func(p *peer, r request) { send(p, r.echo) }),
	"never opens the window":              func(p *peer) { p.greet(settingInitialWindowSize, 0) },
	"allows no stream":                    func(p *peer) { p.greet(settingMaxConcurrentStreams, 0) },
	"goes away at once":                   func(p *peer) { p.greet(); p.frame(goAway, 0, 0, goingAway("")) },
	"goes away, and repeats the request":  eachStream(func(p *peer, r request) { p.frame(goAway, 0, 0, goingAway(r.echo)); p.Close() }),
	"refuses the stream":                  eachStream(func(p *peer, r request) { p.frame(rstStream, 0, r.stream, number(refusedStream)) }),
	"resets the stream":                   eachStream(func(p *peer, r request) { p.frame(rstStream, 0, r.stream, number(internalError)) }),
	"hangs up":                            eachStream(func(p *peer, _ request) { p.Close() }),
	"resets the stream within the body":   within(func(p *peer, r request) { p.frame(rstStream, 0, r.stream, number(internalError)) }),
	"goes away within the body":           within(func(p *peer, r request) { p.frame(goAway, 0, 0, goingAway(r.echo)); p.Close() }),
	"hangs up within the body":            within(func(p *peer, _ request) { p.Close() }),
	"waits within the body":               within(func(*peer, request) {}),
	"sends a longer body than it says":    body("5", good, endStream),
	"sends a shorter body than it says":   body("100000", good, endStream),
	"sends data that is not padded":       eachStream(func(p *peer, r request) { p.ok(r); p.frame(data, padded, r.stream, "\xff") }),
	"sends a frame of 16 MiB":             eachStream(func(p *peer, r request) { p.ok(r); p.frame(data, 0, r.stream, strings.Repeat(" ", 1<<24-1)) }),
	"sends a body without end":            within(func(p *peer, r request) { p.flood(1000, data, 0, r.stream, strings.Repeat(" ", 16<<10)) }),
	"sends empty data, for ever":          within(func(p *peer, r request) { p.flood(2000, data, 0, r.stream, "") }),
	"continues its headers, for ever":     eachStream(continuing),
	"continues with nothing, for ever":    eachStream(continuingWithNothing),
	"sends a header 20,000 times":         eachStream(multiplied),
	"repeats the request as a header":     headers(func(r request) string { return literal("X "+r.echo, "a") }),
	"repeats the request as a status":     eachStream(func(p *peer, r request) { p.frame(header, endHeaders, r.stream, literal(":status", r.echo)) }),
	"repeats the request as a length":     headers(func(r request) string { return literal("content-length", r.echo) }),
	"repeats the request in its trailers": within(func(p *peer, r request) { p.frame(header, endHeaders|endStream, r.stream, literal("X "+r.echo, "a")) }),
	"compresses a header that is not":     headers(func(request) string { return "\xff\xff\xff\xff\xff\xff" }),
	"sends early hints, for ever":         eachStream(func(p *peer, r request) { p.flood(2000, header, endHeaders, r.stream, literal(":status", "103")) }),
	"pings for ever":                      eachStream(func(p *peer, _ request) { p.flood(2000, ping, 0, 0, "12345678") }),
	"changes its settings, for ever":      eachStream(func(p *peer, _ request) { p.flood(2000, settings, 0, 0, setting(settingInitialWindowSize, 100)) }),
	"opens the window too far":            eachStream(func(p *peer, _ request) { p.flood(3, windowUpdate, 0, 0, number(1<<31-1)) }),
	"pushes":                              eachStream(func(p *peer, r request) { p.frame(pushPromise, endHeaders, r.stream, number(2)+ok) }),
}

// As with TestAHostileServiceGetsNothingAndSpoilsNothing, for those that can speak
// HTTP/2, which a server with a certificate does.
func TestAHostileServiceSpoilsNothingByHTTP2(t *testing.T) {
	t.Parallel()
	for name, service := range services {
		if net.ParseIP(service.host) != nil || service.host == "localhost" {
			continue // plain http
		}
		for does, stream := range streams {
			t.Run(name+" "+does, func(t *testing.T) {
				t.Parallel()
				service.endure(t, func(n *network) { n.taken, n.stream = service.host, stream })
			})
		}
	}
}

// peer is the server's end of an HTTP/2 connection (RFC 9113). It reads what comes,
// and answers to none of the client's SETTINGS and PINGs.
type peer struct {
	net.Conn
	requests chan request
}

// request is one that came to its end.
type request struct {
	stream uint32
	echo   string // all of it that is secret
}

// Types of frames, their flags, settings and errors (RFC 9113, 6 and 7).
const (
	data, header, rstStream, settings, pushPromise, ping, goAway, windowUpdate, continuation = 0, 1, 3, 4, 5, 6, 7, 8, 9

	endStream, endHeaders, padded = 1, 4, 8

	settingMaxConcurrentStreams, settingInitialWindowSize = 3, 4

	internalError, refusedStream = 2, 7
)

// serveHTTP2 plays a connection until the client closes it.
func (n *network) serveHTTP2(conn net.Conn) {
	const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	if _, err := io.ReadFull(conn, make([]byte, len(preface))); err != nil {
		return
	}
	p := &peer{conn, make(chan request, 100)}
	var reading sync.WaitGroup
	reading.Go(func() { p.read(n) })
	n.stream(p)
	reading.Wait()
}

func (p *peer) read(n *network) {
	defer close(p.requests)
	bodies := map[uint32]string{}
	for {
		head := make([]byte, 9)
		if _, err := io.ReadFull(p, head); err != nil {
			return
		}
		payload := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
		if _, err := io.ReadFull(p, payload); err != nil {
			return
		}
		kind, flags, stream := head[3], head[4], binary.BigEndian.Uint32(head[5:])
		if kind == data {
			bodies[stream] += string(payload)
		}
		if kind <= header && flags&endStream != 0 {
			sent := n.requests()
			last := sent[len(sent)-1].Request // whose headers came compressed
			p.requests <- request{stream, echo(&seen{last, bodies[stream]})}
		}
	}
}

func (p *peer) frame(kind, flags byte, stream uint32, payload string) bool {
	return send(p, frame(kind, flags, stream, payload))
}

// flood sends a frame n times, or until the client has had enough.
func (p *peer) flood(n int, kind, flags byte, stream uint32, payload string) {
	const together = 10
	frames := strings.Repeat(frame(kind, flags, stream, payload), together)
	for ; n > 0 && send(p, frames); n -= together {
	}
}

func (p *peer) greet(pairs ...uint32) {
	var all strings.Builder
	for pair := range slices.Chunk(pairs, 2) {
		all.WriteString(setting(uint16(pair[0]), pair[1]))
	}
	p.frame(settings, 0, 0, all.String())
}

// ok begins a success.
func (p *peer) ok(r request) { p.frame(header, endHeaders, r.stream, ok) }

func eachStream(do func(*peer, request)) func(*peer) {
	return func(p *peer) {
		p.greet()
		for r := range p.requests {
			do(p, r)
		}
	}
}

// within does something after half a body.
func within(do func(*peer, request)) func(*peer) {
	return eachStream(func(p *peer, r request) {
		p.ok(r)
		p.frame(data, 0, r.stream, good[:len(good)/2])
		do(p, r)
	})
}

func body(length, text string, flags byte) func(*peer) {
	return eachStream(func(p *peer, r request) {
		p.frame(header, endHeaders, r.stream, ok+literal("content-length", length))
		p.frame(data, flags, r.stream, text)
	})
}

func headers(more func(request) string) func(*peer) {
	return eachStream(func(p *peer, r request) {
		p.frame(header, endHeaders, r.stream, ok+more(r))
		p.frame(data, endStream, r.stream, "{}")
	})
}

func continuing(p *peer, r request) {
	p.frame(header, 0, r.stream, ok)
	p.flood(2000, continuation, 0, r.stream, literal("a", strings.Repeat("a", 4000)))
}

func continuingWithNothing(p *peer, r request) {
	p.frame(header, 0, r.stream, ok)
	p.flood(2000, continuation, 0, r.stream, "")
}

// multiplied has one header remembered by the client, and named by one byte each time.
func multiplied(p *peer, r request) {
	const remember, first = "\x40", "\xbe"
	block := ok + remember + literal("a", strings.Repeat("a", 4000))[1:]
	p.frame(header, 0, r.stream, block+strings.Repeat(first, 10_000))
	p.frame(continuation, endHeaders, r.stream, strings.Repeat(first, 10_000))
	p.frame(data, endStream, r.stream, good)
}

func frame(kind, flags byte, stream uint32, payload string) string {
	n := len(payload)
	return string([]byte{byte(n >> 16), byte(n >> 8), byte(n), kind, flags}) + number(stream) + payload
}

func number(n uint32) string { return string(binary.BigEndian.AppendUint32(nil, n)) }

func setting(id uint16, value uint32) string {
	return string(binary.BigEndian.AppendUint16(nil, id)) + number(value)
}

func goingAway(reason string) string { return number(0) + number(internalError) + reason }

// ok is the status 200, compressed (RFC 7541).
const ok = "\x88"

// literal is a header, not compressed.
func literal(name, value string) string { return "\x00" + text(name) + text(value) }

func text(s string) string {
	if len(s) < 127 {
		return string([]byte{byte(len(s))}) + s
	}
	return "\x7f" + string(binary.AppendUvarint(nil, uint64(len(s)-127))) + s
}
