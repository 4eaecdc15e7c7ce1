package api_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till/api"
	"github.com/plomb-pos/plomb/till/tilltest"
)

// TestABodyThatNeverEndsIsGivenUp announces a long body and sends one byte of it.
func TestABodyThatNeverEndsIsGivenUp(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	defer api.SetBodyPatience(api.SetBodyPatience(50 * time.Millisecond))
	for _, path := range []string{"/api/sign-in", "/api/check"} {
		address := strings.TrimPrefix(shop.URL, "http://")
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 100\r\n\r\n{", path, address)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %v, %v", path, resp, err)
		}
	}
	shop.As(staff.Operator).Do("basket.add", "sku", "BRD-01") // whoever is in time is served
}
