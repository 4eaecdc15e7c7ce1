package drawer_test

import (
	"fmt"

	"github.com/plomb-pos/plomb/drawer"
)

func ExampleSession_Declare() {
	var s drawer.Session
	_ = s.Begin("anna", "EUR", now)
	_ = s.Put(10_000)
	f, err := s.Declare(drawer.Count{Amount: 9_950}, "anna", now)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("expected", f.Expected, "difference", f.Difference)
	// Output: expected 10000 difference -50
}
