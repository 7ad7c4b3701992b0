package hostile_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// elsewhere is where nothing may be sent.
const elsewhere = "evil.example"

// answers are what a hostile server may do with a request. None of them is one that
// a token, or a key, may be taken from.
var answers = map[string]func(conn net.Conn, request *seen){
	"says nothing": func(conn net.Conn, _ *seen) { hold(conn) },
	"hangs up":     func(net.Conn, *seen) {},
	"sends its status, one header a second, and never ends them": func(conn net.Conn, _ *seen) {
		drip(conn, "HTTP/1.1 200 OK\r\n", "X-A: b\r\n")
	},
	"sends a body of one byte a second": func(conn net.Conn, _ *seen) {
		drip(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n", " ")
	},
	"sends a chunk a second, for ever": func(conn net.Conn, _ *seen) {
		drip(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\n{\r\n")
	},
	"promises more than it sends, and waits": func(conn net.Conn, _ *seen) {
		send(conn, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", good)
		hold(conn)
	},
	"promises more than it sends, and hangs up": func(conn net.Conn, _ *seen) {
		send(conn, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", good)
	},
	"answers with 10 MiB": func(conn net.Conn, _ *seen) { answer(conn, "200 OK", "", large()) },
	"answers without end": func(conn net.Conn, _ *seen) {
		send(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		flood(conn, "10000\r\n"+strings.Repeat("[", 0x10000)+"\r\n")
	},
	"answers with a text without end": func(conn net.Conn, _ *seen) {
		send(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "c\r\n{\"message\":\"\r\n")
		flood(conn, "10000\r\n"+strings.Repeat("x", 0x10000)+"\r\n")
	},
	"refuses without end": func(conn net.Conn, _ *seen) {
		send(conn, "HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n")
		flood(conn, "10000\r\n"+strings.Repeat("x", 0x10000)+"\r\n")
	},
	"answers with 64 MiB in 64 KiB of gzip": func(conn net.Conn, _ *seen) {
		send(conn, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n", len(bomb())), bomb())
	},
	"says that it is gzip and is not": func(conn net.Conn, _ *seen) { answer(conn, "200 OK", "Content-Encoding: gzip\r\n", "plain") },
	"sends headers without end": func(conn net.Conn, _ *seen) {
		send(conn, "HTTP/1.1 200 OK\r\n")
		flood(conn, "X-A: "+strings.Repeat("a", 4000)+"\r\n")
	},
	"sends one header without end": func(conn net.Conn, _ *seen) {
		send(conn, "HTTP/1.1 200 OK\r\nX-A: ")
		flood(conn, strings.Repeat("a", 0x10000))
	},
	"sends early hints without end": func(conn net.Conn, _ *seen) {
		flood(conn, "HTTP/1.1 103 Early Hints\r\nLink: </"+strings.Repeat("a", 4000)+">\r\n\r\n")
	},
	"asks to continue, for ever": func(conn net.Conn, _ *seen) { flood(conn, strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 2000)) },
	"switches protocols":         func(conn net.Conn, _ *seen) { answer(conn, "101 Switching Protocols", "Upgrade: x\r\n", "") },
	"sends chunks of extensions": func(conn net.Conn, _ *seen) {
		send(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		flood(conn, "1;"+strings.Repeat("x", 4000)+"\r\n{\r\n")
	},
	"does not speak HTTP":             func(conn net.Conn, _ *seen) { send(conn, "SSH-2.0-OpenSSH_9.6\r\n") },
	"speaks HTTP 0.9":                 func(conn net.Conn, _ *seen) { send(conn, good) },
	"repeats the request as HTTP 0.9": func(conn net.Conn, r *seen) { send(conn, strings.ReplaceAll(echo(r), "\n", " ")+"\r\n") },
	"has two lengths":                 func(conn net.Conn, _ *seen) { answer(conn, "200 OK", "Content-Length: 5\r\n", good) },
	"has a negative length":           func(conn net.Conn, _ *seen) { send(conn, "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", good) },
	"answers with nothing":            func(conn net.Conn, _ *seen) { answer(conn, "204 No Content", "", "") },
	"answers with a page":             func(conn net.Conn, _ *seen) { answer(conn, "200 OK", "Content-Type: text/html\r\n", page) },
	"is a proxy's failure": func(conn net.Conn, _ *seen) {
		answer(conn, "503 Service Unavailable", "Content-Type: text/html\r\n", page)
	},
	"asks to wait for a year": func(conn net.Conn, _ *seen) {
		answer(conn, "503 Service Unavailable", "Retry-After: 31536000\r\n", "{}")
	},
	"asks to wait less than 0": func(conn net.Conn, _ *seen) {
		answer(conn, "503 Service Unavailable", "Retry-After: -99999999999999999999\r\n", "{}")
	},
	"sets cookies, and is down": func(conn net.Conn, _ *seen) {
		answer(conn, "503 Service Unavailable", "Set-Cookie: a=b; Path=/\r\n", "{}")
	},
	"redirects":                     redirect("301 Moved Permanently"),
	"redirects, found":              redirect("302 Found"),
	"redirects, see other":          redirect("303 See Other"),
	"redirects the request":         redirect("307 Temporary Redirect"),
	"redirects the request forever": redirect("308 Permanent Redirect"),
	"repeats the request in an error": func(conn net.Conn, r *seen) {
		answer(conn, "400 Bad Request", "", fmt.Sprintf(`{"error":%q,"error_description":%q,"__type":%q,"message":%q}`, "bad", echo(r), echo(r), echo(r)))
	},
	"repeats the request as Google's error": func(conn net.Conn, r *seen) {
		answer(conn, "403 Forbidden", "", fmt.Sprintf(`{"error":{"code":403,"status":"PERMISSION_DENIED","message":%q}}`, echo(r)))
	},
	"repeats the request as AWS's error": func(conn net.Conn, r *seen) {
		answer(conn, "403 Forbidden", "", "<ErrorResponse><Error><Code>AccessDenied</Code><Message>"+strings.ReplaceAll(echo(r), "&", "&amp;")+"</Message></Error></ErrorResponse>")
	},
	"repeats the request in its status": func(conn net.Conn, r *seen) {
		answer(conn, "400 "+strings.NewReplacer("\r", " ", "\n", " ").Replace(echo(r)), "", "")
	},
	"repeats the request in a redirect": func(conn net.Conn, r *seen) {
		answer(conn, "302 Found", "Location: https://"+elsewhere+"/?"+strings.NewReplacer("\r", "", "\n", "", " ", "+").Replace(echo(r))+"\r\n", "")
	},
	"repeats the request in a redirect to no URL": func(conn net.Conn, r *seen) {
		answer(conn, "302 Found", "Location: https://%zz/?"+strings.NewReplacer("\r", "", "\n", "", " ", "+").Replace(echo(r))+"\r\n", "")
	},
	"repeats the request as text": func(conn net.Conn, r *seen) { answer(conn, "500 Internal Server Error", "", echo(r)) },
	"nests as deeply as fits": func(conn net.Conn, _ *seen) {
		answer(conn, "200 OK", "", `{"access_token":`+strings.Repeat(`[`, 60<<10))
	},
	"gives a token of another type":                  document(`{"a":1}`, `3600`),
	"gives a token with a NUL":                       document(`"ya29.x\u0000y"`, `3600`),
	"gives a token with a line break":                document(`"ya29.x\r\nX-Evil: 1"`, `3600`),
	"gives a token that is no UTF-8":                 document("\"ya29.\xff\xfe\"", `3600`),
	"gives an empty token":                           document(`""`, `3600`),
	"gives a token for more than for ever":           document(`"`+planted+`"`, `1e400`),
	"gives a token for less than no time":            document(`"`+planted+`"`, `-9223372036854775808`),
	"gives a token for a number of a lakh of digits": document(`"`+planted+`"`, strings.Repeat("9", 50_000)),
}

// planted is the token of an answer that is not to be believed.
const planted = "ya29.planted-by-a-hostile-server"

// good has what any of the services is asked for.
var good = fields(`"`+planted+`"`, `3600`)

func fields(token, life string) string {
	return `{"access_token":` + token + `,"expires_in":` + life + `,"token_type":"Bearer","issued_token_type":"urn:ietf:params:oauth:token-type:access_token",` +
		`"accessToken":` + token + `,"expireTime":` + life + `,"token":` + token + `,"exp":` + life + `,"email":` + token +
		`,"AccessKeyId":` + token + `,"SecretAccessKey":` + token + `,"Token":` + token + `,"Expiration":` + life +
		`,"SecretString":` + token + `,"VersionId":` + life + `,"id_token":` + token + `}`
}

func document(token, life string) func(net.Conn, *seen) {
	return func(conn net.Conn, _ *seen) { answer(conn, "200 OK", "", fields(token, life)) }
}

func redirect(status string) func(net.Conn, *seen) {
	return func(conn net.Conn, r *seen) {
		answer(conn, status, "Location: https://"+elsewhere+r.URL.RequestURI()+"\r\nSet-Cookie: a=b\r\n", "")
	}
}

const page = "<!DOCTYPE html><html><head><title>Sign in</title></head><body>to your hotel's network</body></html>"

// echo is all of a request that is secret.
func echo(r *seen) string {
	text := r.RequestURI + " " + r.body
	for _, name := range []string{"Authorization", "X-Amz-Security-Token", "X-Aws-Parameters-Secrets-Token", "X-Aws-Ec2-Metadata-Token"} {
		text += " " + r.Header.Get(name)
	}
	return text
}

func answer(conn net.Conn, status, header, body string) {
	send(conn, fmt.Sprintf("HTTP/1.1 %s\r\n%sContent-Length: %d\r\nConnection: close\r\n\r\n", status, header, len(body)), body)
}

func send(conn net.Conn, texts ...string) (sent bool) {
	for _, text := range texts {
		if _, err := conn.Write([]byte(text)); err != nil {
			return false
		}
	}
	return true
}

// hold keeps the connection until the client gives it up.
func hold(conn net.Conn) { _, _ = conn.Read(make([]byte, 1)) }

// flood writes for ever, or rather until something else is wrong.
func flood(conn net.Conn, text string) {
	for n := 0; n < 64<<20 && send(conn, text); n += len(text) {
	}
}

func drip(conn net.Conn, first, text string) {
	for sent := send(conn, first); sent; sent = send(conn, text) {
		time.Sleep(time.Second)
	}
}

var large = sync.OnceValue(func() string { return `{"padding":"` + strings.Repeat("x", 10<<20) + `",` + good[1:] })

var bomb = sync.OnceValue(func() string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	for range 1024 {
		_, _ = w.Write(make([]byte, 64<<10))
	}
	_ = w.Close()
	return b.String()
})
