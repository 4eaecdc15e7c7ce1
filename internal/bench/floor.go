package bench

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"
)

// floorName is what no sale over HTTP can be quicker than on a machine: the same
// two requests, answered by net/http alone.
const floorName = "bare HTTP: two requests, each with one synced write, the second signed"

// The sizes of a floor's write and answer are about those of a scan.
const (
	floorWrite  = 1 << 10
	floorAnswer = 4 << 10
)

// floor is a subject that does nothing of a till but what a sale cannot do
// without: it takes two requests, syncs a write into a file that has its room
// before it answers each, and signs once after the second sync.
func (c Config) floor() (*subject, error) {
	s := &subject{name: floorName}
	var err error
	if s.dir, err = os.MkdirTemp(c.Dir, "floor"); err != nil {
		return s, err
	}
	file, err := openRaw(s.dir)
	if err != nil {
		return s, err
	}
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return s, errors.Join(err, file.close())
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return s, errors.Join(err, file.close())
	}
	server := &http.Server{Handler: bare(file, key), ReadHeaderTimeout: 10 * time.Second}
	go server.Serve(l) // ends with Close
	s.stop = func() error { return errors.Join(server.Close(), file.close()) }
	s.one = (&screen{url: "http://" + l.Addr().String()}).bareSale
	return s, nil
}

// bare answers a scan at /scan and a tender at any other path.
func bare(file *rawFile, key ed25519.PrivateKey) http.Handler {
	record, answer := make([]byte, floorWrite), make([]byte, floorAnswer)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		if err == nil {
			err = file.write(record)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		if r.URL.Path != "/scan" {
			ed25519.Sign(key, record[:200])
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
		w.Write(answer) // the client notices what is missing
	})
}

// bareSale sends what a sale sends, to a floor.
func (s *screen) bareSale() (scan, complete time.Duration, err error) {
	body := make([]byte, 200)
	started := time.Now()
	if err := s.bareRequest("/scan", body); err != nil {
		return 0, 0, err
	}
	scan = time.Since(started)
	err = s.bareRequest("/tender", body)
	return scan, time.Since(started) - scan, err
}

func (s *screen) bareRequest(path string, body []byte) error {
	status, text, err := s.exchange(s.request(path, body))
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("bare HTTP answered %d: %s", status, text)
	}
	return err
}

// aboveFloor compares every way of running a till with the last subject, the floor.
func (list subjects) aboveFloor() []Result {
	floor := list[len(list)-1]
	var out []Result
	for _, s := range list[:len(list)-1] {
		ratios := make([]float64, len(s.whole))
		for i := range s.whole {
			ratios[i] = s.whole[i].Seconds() / floor.whole[i].Seconds()
		}
		out = append(out, Result{Bench: "sale", Case: s.name + ": whole sale, p50", Value: inMs(median(s.whole)), Unit: "ms",
			Ratio: median(ratios), Against: floorName})
	}
	return out
}
