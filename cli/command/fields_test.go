package command

import "testing"

func TestFieldsAsJSON(t *testing.T) {
	got, err := fields{
		{"held", "1"}, {"age_ms", "1.5"}, {"ttl_ms", "-1"}, {"owner", "17"}, {"token", "1795263491651601458"},
		{"time", "999999999999999"}, {"big", "1795263491651601458"}, {"version", "1"}, {"text", `a"b`}, {"odd", "1.2.3"}, {"empty", ""}, {"zeros", "007"},
	}.MarshalJSON()
	want := `{"held":1,"age_ms":1.5,"ttl_ms":-1,"owner":"17","token":"1795263491651601458",` +
		`"time":999999999999999,"big":"1795263491651601458","version":"1","text":"a\"b","odd":"1.2.3","empty":"","zeros":"007"}`
	if err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
}
