package serve

import (
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// listener hands connections on to HTTP, or plays on them what a fault asks
// for.
type listener struct {
	net.Listener
	fault Fault
	once  bool
	log   func(string)
	ctx   context.Context

	playing sync.WaitGroup
	// drained is closed when the only connection has ended.
	drained chan struct{}
}

// Accept waits for the next connection that is HTTP's.
func (l *listener) Accept() (net.Conn, error) {
	for {
		accepted, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &conn{Conn: accepted, ctx: l.ctx, trickles: l.fault.trickles}
		if l.once {
			l.Close()
			c.closed = sync.OnceFunc(func() { close(l.drained) })
		}
		if l.fault.play == nil {
			return c, nil
		}
		l.log(c.RemoteAddr().String() + " connected")
		l.playing.Go(func() {
			defer c.Close()
			stop := context.AfterFunc(l.ctx, func() { c.Conn.Close() })
			defer stop()
			l.fault.play(c)
		})
	}
}

// conn is a connection on which a fault can be played.
type conn struct {
	net.Conn
	ctx context.Context
	// trickles makes it send one byte a second.
	trickles bool
	closed   func()
}

func (c *conn) Write(p []byte) (n int, err error) {
	if !c.trickles {
		return c.Conn.Write(p)
	}
	for ; n < len(p); n++ {
		if err := pause(c.ctx, time.Second); err != nil {
			return n, err
		}
		if _, err := c.Conn.Write(p[n : n+1]); err != nil {
			return n, err
		}
	}
	return n, nil
}

func (c *conn) Close() error {
	if c.closed != nil {
		defer c.closed()
	}
	return c.Conn.Close()
}

// reset ends the connection with RST instead of FIN.
func (c *conn) reset() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		tcp.SetLinger(0) // fails when the connection is gone already
	}
	c.Close()
}

// hear waits for what the client says first.
func (c *conn) hear() { c.Read(make([]byte, 4096)) }

// outlast waits until the client has gone.
func (c *conn) outlast() {
	buffer := make([]byte, 4096)
	for {
		if _, err := c.Read(buffer); err != nil {
			return
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// What faults play on a bare connection.

func playSilence(c *conn) { c.outlast() }

func playClose(c *conn) { c.hear() }

func playResetAtOnce(c *conn) { c.reset() }

func playReset(c *conn) {
	c.hear()
	c.reset()
}

func playGarbage(c *conn) {
	c.hear()
	noise := make([]byte, 1024)
	for i := range noise {
		noise[i] = byte(128 + rand.IntN(128)) // no record type begins so
	}
	c.Write(noise)
	c.outlast()
}

// playSSH is the wrong port.
func playSSH(c *conn) {
	c.Write([]byte("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n"))
	c.outlast()
}

// playAlert is a server that knows no such name: a fatal alert (RFC 8446, 6.2)
// in place of a ServerHello.
func playAlert(c *conn) {
	const (
		alert            = 21
		fatal            = 2
		unrecognizedName = 112
	)
	c.hear()
	c.Write([]byte{alert, 3, 3, 0, 2, fatal, unrecognizedName})
	c.outlast()
}
