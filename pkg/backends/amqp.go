package backends

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/trivetkv/trivet/pkg/broker"
	"github.com/trivetkv/trivet/pkg/broker/amqp"
	"github.com/trivetkv/trivet/pkg/certs"
	"github.com/trivetkv/trivet/pkg/config"
)

// openAMQP opens a queue on RabbitMQ:
//
//	amqp://user:password@host[:5672],…/[vhost]
//
// With amqps, connections are TLS, on port 5671. Parameters: queue, which begins
// all names; partitions; declare=true, to make queues that are missing;
// queues=quorum or classic; prefetch and delivery_limit; and with TLS
// server_name, ca, cert and key: PEM files, which each new connection reads
// again, as it does a file that the URL is in.
func openAMQP(u config.URL, o *opening) (broker.Broker, error) {
	given, err := brokerURL(u, o.settings)
	if err != nil {
		return nil, &urlError{err.Error()}
	}
	options, err := amqpOptions(given)
	if err != nil {
		return nil, err
	}
	options.Logger, options.Registerer = o.Logger, o.Registerer
	options.Server = func(context.Context) (amqp.Server, error) {
		now, err := brokerURL(u, o.settings)
		if err != nil {
			return amqp.Server{}, err
		}
		return amqpServer(now)
	}
	queue, err := amqp.Open(context.Background(), options)
	if err != nil {
		return nil, err
	}
	return subscribedBroker{queue}, nil
}

// subscribedBroker names the variable in what a process that may not consume is
// told.
type subscribedBroker struct{ broker.Broker }

// Subscribe implements broker.Broker.
func (b subscribedBroker) Subscribe(h broker.Handler) (broker.Subscription, error) {
	s, err := b.Broker.Subscribe(h)
	if err != nil {
		return nil, fmt.Errorf("TRIVET_BROKER_URL: %w", err)
	}
	return s, nil
}

func amqpOptions(u *url.URL) (amqp.Options, error) {
	known := []string{"queue", "partitions", "declare", "queues", "prefetch", "delivery_limit"}
	if u.Scheme == "amqps" {
		known = append(known, "server_name", "ca", "cert", "key")
	}
	if err := parameters(u, known...); err != nil {
		return amqp.Options{}, err
	}
	if _, err := amqpServer(u); err != nil {
		return amqp.Options{}, err
	}
	q := u.Query()
	options := amqp.Options{Queue: q.Get("queue")}
	if len(options.Queue) > 200 || strings.HasPrefix(options.Queue, "amq.") {
		return options, &urlError{`the queue's name has at most 200 bytes and does not begin with "amq."`}
	}
	for name, c := range map[string]struct {
		value *int
		most  int
	}{
		"partitions":     {&options.Partitions, amqp.MaxPartitions},
		"prefetch":       {&options.Prefetch, 10_000},
		"delivery_limit": {&options.DeliveryLimit, 1_000_000},
	} {
		text := q.Get(name)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > c.most {
			return options, &urlError{fmt.Sprintf("%s has to be from 1 to %d", name, c.most)}
		}
		*c.value = n
	}
	switch q.Get("declare") {
	case "", "false":
	case "true":
		options.Declare = true
	default:
		return options, &urlError{"declare has to be true or false"}
	}
	switch q.Get("queues") {
	case "", "quorum":
	case "classic":
		options.Classic = true
	default:
		return options, &urlError{"queues has to be quorum or classic"}
	}
	return options, nil
}

// amqpServer reads where the server is and how to sign in.
func amqpServer(u *url.URL) (amqp.Server, error) {
	s := amqp.Server{VirtualHost: strings.TrimPrefix(u.Path, "/")}
	if s.VirtualHost == "" {
		s.VirtualHost = "/"
	}
	port := "5672"
	if u.Scheme == "amqps" {
		port = "5671"
		q := u.Query()
		files := certs.ClientFiles{ServerName: q.Get("server_name"), CA: q.Get("ca"), Cert: q.Get("cert"), Key: q.Get("key")}
		if err := files.Check(); err != nil {
			return s, &urlError{err.Error()}
		}
		var err error
		if s.TLS, err = files.Config(); err != nil {
			return s, err
		}
	}
	for host := range strings.SplitSeq(u.Host, ",") {
		if host == "" {
			return s, &urlError{fmt.Sprintf("it names no host; expected %s://USER:PASSWORD@HOST/VHOST", u.Scheme)}
		}
		if _, _, err := net.SplitHostPort(host); err != nil {
			host = net.JoinHostPort(strings.Trim(host, "[]"), port)
		}
		s.Addresses = append(s.Addresses, host)
	}
	if u.User == nil {
		return s, &urlError{fmt.Sprintf("it names no user; expected %s://USER:PASSWORD@HOST/VHOST", u.Scheme)}
	}
	s.User = u.User.Username()
	s.Password, _ = u.User.Password()
	return s, nil
}
