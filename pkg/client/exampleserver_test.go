package client_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/wire"
)

// exampleServer is as much of a store, of one namespace, as the examples need.
type exampleServer struct {
	mu      sync.Mutex
	entries map[string]kv.Entry
	changes []string
	made    map[string]kv.Version // by idempotency key
}

// newExampleServer starts a server that has some keys already.
func newExampleServer(keys ...string) *httptest.Server {
	s := &exampleServer{entries: make(map[string]kv.Entry), made: make(map[string]kv.Version)}
	for _, key := range keys {
		s.put(key, "text/plain", []byte("some"))
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/kv/shop", s.list)
	mux.HandleFunc("GET /v1/kv/shop/{key...}", s.get)
	mux.HandleFunc("PUT /v1/kv/shop/{key...}", s.write)
	mux.HandleFunc("DELETE /v1/kv/shop/{key...}", s.write)
	mux.HandleFunc("GET /v1/watch/shop", s.watch)
	mux.HandleFunc("POST /v1/tokens", s.token)
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		mux.ServeHTTP(w, r)
	}))
}

func (s *exampleServer) put(key, contentType string, value []byte) kv.Version {
	version := kv.Version(len(s.changes) + 1)
	s.entries[key] = kv.Entry{Key: key, Version: version, Value: value, ContentType: contentType}
	s.changes = append(s.changes, key)
	return version
}

func refuse(w http.ResponseWriter, status int, code kv.Code) {
	w.Header().Set("Content-Type", wire.ProblemContentType)
	w.WriteHeader(status)
	send(w, wire.Problem{Status: status, Code: code})
}

func send(w io.Writer, shape any) {
	body, err := wire.Marshal(shape)
	if err == nil {
		_, _ = w.Write(body)
	}
}

func (s *exampleServer) get(w http.ResponseWriter, r *http.Request) {
	entry, found := s.entries[r.PathValue("key")]
	if !found {
		refuse(w, http.StatusNotFound, kv.CodeNotFound)
		return
	}
	w.Header().Set("Content-Type", entry.ContentType)
	w.Header().Set("ETag", fmt.Sprintf(`"%d"`, entry.Version))
	_, _ = w.Write(entry.Value)
}

func (s *exampleServer) write(w http.ResponseWriter, r *http.Request) {
	key, id := r.PathValue("key"), r.Header.Get("Idempotency-Key")
	version, replayed := s.made[id]
	entry, exists := s.entries[key]
	switch match := r.Header.Get("If-Match"); {
	case replayed:
		w.Header().Set("Idempotency-Replayed", "true")
	case r.Header.Get("If-None-Match") == "*" && exists:
		refuse(w, http.StatusPreconditionFailed, kv.CodeAlreadyExists)
		return
	case match != "" && match != fmt.Sprintf(`"%d"`, entry.Version):
		refuse(w, http.StatusPreconditionFailed, kv.CodeVersionMismatch)
		return
	default:
		value, _ := io.ReadAll(r.Body)
		version = s.put(key, r.Header.Get("Content-Type"), value)
		s.made[id] = version
		if r.Method == http.MethodDelete {
			delete(s.entries, key)
		}
	}
	w.Header().Set("ETag", fmt.Sprintf(`"%d"`, version))
	w.WriteHeader(http.StatusOK)
}

func (s *exampleServer) list(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	limit, _ := strconv.Atoi(query.Get("limit"))
	var keys []string
	for key := range s.entries {
		if strings.HasPrefix(key, query.Get("prefix")) && key > query.Get("cursor") {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	var list wire.List
	for i, key := range keys {
		if i == limit {
			list.Cursor = keys[i-1]
			break
		}
		list.Entries = append(list.Entries, wire.FromEntry(s.entries[key], false))
	}
	send(w, list)
}

func (s *exampleServer) watch(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	for i, key := range s.changes {
		if strings.HasPrefix(key, r.URL.Query().Get("prefix")) {
			fmt.Fprintf(w, "event: put\nid: %d\ndata: ", i+1)
			send(w, wire.Event{Key: key, Version: kv.Version(i + 1), At: wire.Time(time.Now())})
			fmt.Fprint(w, "\n")
		}
	}
}

func (s *exampleServer) token(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	request, err := wire.DecodeTokenRequest(body)
	if err != nil {
		refuse(w, http.StatusBadRequest, kv.CodeInvalidArgument)
		return
	}
	now := time.Now()
	w.WriteHeader(http.StatusCreated)
	send(w, wire.Token{
		ID: "5yUq0Xk3bWnA", Name: request.Name, Scopes: request.Scopes, Secret: "tvt_5yUq0Xk3bWnA_secret",
		CreatedAt: wire.Time(now), ExpiresAt: wire.Time(now.Add(time.Duration(request.TTL))),
	})
}
