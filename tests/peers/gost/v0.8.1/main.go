// The real gost, cut down to what the tests talk to: the command line and configuration of
// github.com/go-gost/x with the components of the WebSocket channel. This file is the same in
// every version's folder.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/go-gost/x/config"
	"github.com/go-gost/x/config/loader"
	"github.com/go-gost/x/config/parsing/parser"
	"github.com/go-gost/x/registry"

	_ "github.com/go-gost/x/connector/direct"
	_ "github.com/go-gost/x/connector/forward"
	_ "github.com/go-gost/x/connector/http"
	_ "github.com/go-gost/x/connector/relay"
	_ "github.com/go-gost/x/connector/socks/v4"
	_ "github.com/go-gost/x/connector/socks/v5"
	_ "github.com/go-gost/x/connector/tcp"
	_ "github.com/go-gost/x/dialer/direct"
	_ "github.com/go-gost/x/dialer/mws"
	_ "github.com/go-gost/x/dialer/tcp"
	_ "github.com/go-gost/x/dialer/tls"
	_ "github.com/go-gost/x/dialer/ws"
	_ "github.com/go-gost/x/handler/auto"
	_ "github.com/go-gost/x/handler/forward/remote"
	_ "github.com/go-gost/x/handler/http"
	_ "github.com/go-gost/x/handler/relay"
	_ "github.com/go-gost/x/handler/socks/v4"
	_ "github.com/go-gost/x/handler/socks/v5"
	_ "github.com/go-gost/x/listener/mws"
	_ "github.com/go-gost/x/listener/rtcp"
	_ "github.com/go-gost/x/listener/rudp"
	_ "github.com/go-gost/x/listener/tcp"
	_ "github.com/go-gost/x/listener/tls"
	_ "github.com/go-gost/x/listener/udp"
	_ "github.com/go-gost/x/listener/ws"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(words []string) error {
	args, err := read(words)
	if err != nil {
		return err
	}
	parser.Init(args)
	cfg, err := parser.Parse()
	if err != nil {
		return err
	}
	config.Set(cfg)
	if err := loader.Load(cfg); err != nil {
		return err
	}

	failed := make(chan error)
	for name, service := range registry.ServiceRegistry().GetAll() {
		go func() {
			failed <- fmt.Errorf("%s: %w", name, service.Serve())
		}()
	}

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	select {
	case err := <-failed:
		return err
	case <-stop:
		return nil
	}
}

func read(words []string) (args parser.Args, err error) {
	for len(words) > 0 {
		flag := words[0]
		words = words[1:]
		switch flag {
		case "-D":
			args.Debug = true
			continue
		case "-DD":
			args.Trace = true
			continue
		}
		if len(words) == 0 || !strings.HasPrefix(flag, "-") {
			return args, fmt.Errorf("%q: expected -L, -F or -C and a value, -D or -DD", flag)
		}
		value := words[0]
		words = words[1:]
		switch flag {
		case "-L":
			args.Services = append(args.Services, value)
		case "-F":
			args.Nodes = append(args.Nodes, value)
		case "-C":
			setConfig(&args, value)
		default:
			return args, fmt.Errorf("unknown flag %q", flag)
		}
	}
	return args, nil
}
