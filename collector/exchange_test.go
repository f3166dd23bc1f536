package collector

import (
	"reflect"
	"testing"
	"time"
	"unsafe"
)

// TestNothingStaysInAnExchange fills every field of an exchange, at every depth, and
// finds nothing in it once it was reset: no field of a request outlives the request.
func TestNothingStaysInAnExchange(t *testing.T) {
	policy, now := &inForce{}, time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)
	x := &exchange{}
	for _, part := range []any{&x.state, &x.buffers} {
		fill(t, reflect.ValueOf(part).Elem(), 0)
	}
	x.reset(policy, now)
	want := state{circumstances: circumstances{policy: policy, at: now, now: now}}
	want.req.Received = now
	if !reflect.DeepEqual(x.state, want) {
		t.Errorf("of the state stays: %+v", x.state)
	}
	if x.ans.Status != 200 || string(x.stamp) != "2026-11-28T09:00:00.000Z" {
		t.Errorf("an answer begins with %d, at %s", x.ans.Status, x.stamp)
	}
	x.ans.Status, x.stamp = 0, x.stamp[:0]
	isEmpty(t, "buffers", reflect.ValueOf(&x.buffers).Elem())
}

// fill puts something into a value and all that is below it. Pointers, interfaces and
// functions of other packages stay as they are below the first level.
func fill(t *testing.T, v reflect.Value, depth int) {
	t.Helper()
	if !v.CanSet() {
		v = reflect.NewAt(v.Type(), unsafe.Pointer(v.UnsafeAddr())).Elem()
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64, reflect.Int32, reflect.Int16, reflect.Int8:
		v.SetInt(1)
	case reflect.Uint, reflect.Uint64, reflect.Uint32, reflect.Uint16, reflect.Uint8, reflect.Uintptr:
		v.SetUint(1)
	case reflect.String:
		v.SetString("Canary")
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), depth+1)
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(t, v.Index(i), depth+1)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 4))
		for i := range v.Len() {
			fill(t, v.Index(i), depth+1)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case reflect.Map, reflect.Interface, reflect.Func, reflect.Chan, reflect.UnsafePointer:
	default:
		t.Fatalf("a %s is not filled", v.Type())
	}
}

// isEmpty finds what is not zero in a value, the capacity of slices apart, and what
// their memory refers to still.
func isEmpty(t *testing.T, name string, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			isEmpty(t, name+"."+v.Type().Field(i).Name, v.Field(i))
		}
	case reflect.Slice:
		if v.Len() != 0 {
			t.Errorf("%s has %d elements", name, v.Len())
		}
		if refers(v.Type().Elem()) {
			for i, all := 0, v.Slice(0, v.Cap()); i < all.Len(); i++ {
				if !all.Index(i).IsZero() {
					t.Errorf("%s: the memory of element %d still holds something", name, i)
				}
			}
		}
	case reflect.Array:
		// Only redact.Supply has one, of places in a buffer that is empty.
	default:
		if !v.IsZero() {
			t.Errorf("%s stays", name)
		}
	}
}

// refers reports whether values of a type hold memory alive beside their own.
func refers(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.String, reflect.Interface, reflect.Map, reflect.Func:
		return true
	case reflect.Struct:
		for i := range t.NumField() {
			if refers(t.Field(i).Type) {
				return true
			}
		}
	case reflect.Array:
		return refers(t.Elem())
	}
	return false
}

// TestPooledMemoryIsBounded: an exchange that a large request went through is not
// pooled with that request's memory, whichever buffer took it.
func TestPooledMemoryIsBounded(t *testing.T) {
	built := &exchange{memory: &budget{}}
	built.payload.Space = make([]byte, 0, keepBytes+1)
	large := &Collector{large: make(chan *exchange, 1)}
	if large.giveBack(built); built.payload.Space != nil || len(large.large) > 0 {
		t.Errorf("payload.Space stays in the pool with %d bytes", cap(built.payload.Space))
	}
	v := reflect.ValueOf(&buffers{}).Elem()
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if field.Type != reflect.TypeFor[[]byte]() {
			continue
		}
		x := &exchange{memory: &budget{}}
		f := reflect.ValueOf(&x.buffers).Elem().Field(i)
		reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem().SetBytes(make([]byte, 0, keepBytes+1))
		c := &Collector{large: make(chan *exchange, 1)}
		c.giveBack(x)
		if f.Cap() > 0 && field.Name != "ip" && field.Name != "stamp" || len(c.large) > 0 {
			t.Errorf("%s stays in the pool with %d bytes", field.Name, f.Cap())
		}
	}
}
