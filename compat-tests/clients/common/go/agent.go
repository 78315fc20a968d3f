// SPDX-License-Identifier: Apache-2.0

// Package agent is what the agents that are written in Go share: one JSON object a line in, one out. The protocol is
// described in compat-tests/clients/README.md. Bytes are base64 and nil is null, as encoding/json has it.
package agent

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"runtime/debug"
	"strings"
	"time"
)

// Timeout bounds every single thing that a client is asked to do.
const Timeout = 45 * time.Second

type Header struct {
	Name  string `json:"name"`
	Value []byte `json:"value"`
}

type Record struct {
	Partition int32    `json:"partition"`
	Offset    int64    `json:"offset"`
	Key       []byte   `json:"key"`
	Value     []byte   `json:"value"`
	Headers   []Header `json:"headers"`
	Timestamp int64    `json:"timestamp"`
}

// Request has the fields of all verbs.
type Request struct {
	Verb       string            `json:"verb"`
	Topic      string            `json:"topic"`
	Group      string            `json:"group"`
	Partitions int32             `json:"partitions"`
	Replicas   int16             `json:"replicas"`
	Configs    map[string]string `json:"configs"`
	Count      int               `json:"count"`
	Name       string            `json:"name"`
	Value      string            `json:"value"`
	Codec      string            `json:"codec"`
	Idempotent bool              `json:"idempotent"`
	Acks       string            `json:"acks"`
	Records    []Record          `json:"records"`
	Partition  int32             `json:"partition"`
	Starts     []int64           `json:"starts"`
	Timestamp  int64             `json:"timestamp"`
	Offset     int64             `json:"offset"`
	Offsets    map[int32]int64   `json:"offsets"`
	WaitMs     int               `json:"wait_ms"`
}

// Wait is how long a poll waits.
func (r *Request) Wait() time.Duration { return time.Duration(r.WaitMs) * time.Millisecond }

// Answer holds the fields of an answer.
type Answer map[string]interface{}

// Verb does what a request asks for; a nil answer has no fields.
type Verb func(*Request) (Answer, error)

var wordBegin = regexp.MustCompile("([a-z])([A-Z])")

// VerbsOf are the exported methods of a client that are verbs: DeleteTopic is delete-topic.
func VerbsOf(client interface{}) map[string]Verb {
	verbs := map[string]Verb{}
	methods := reflect.ValueOf(client)
	for i := 0; i < methods.NumMethod(); i++ {
		if verb, is := methods.Method(i).Interface().(func(*Request) (Answer, error)); is {
			name := methods.Type().Method(i).Name
			verbs[strings.ToLower(wordBegin.ReplaceAllString(name, "$1-$2"))] = verb
		}
	}
	return verbs
}

// Agent is a client: what it can do, what not and why, and Kafka's code of an error.
type Agent struct {
	Client string
	Verbs  map[string]Verb
	Lacks  map[string]string
	// Code is false when the error has none.
	Code func(error) (int16, bool)
}

func (a *Agent) answer(line []byte) Answer {
	var request Request
	if err := json.Unmarshal(line, &request); err != nil {
		return Answer{"error": Answer{"code": nil, "text": err.Error()}}
	}
	verb, known := a.Verbs[request.Verb]
	if !known {
		return Answer{"error": Answer{"code": nil, "text": "no verb " + request.Verb}}
	}
	answer, err := verb(&request)
	if err == nil {
		if answer == nil {
			answer = Answer{}
		}
		return Answer{"ok": answer}
	}
	failed := Answer{"code": nil, "text": err.Error()}
	if code, has := a.Code(err); has {
		failed["code"] = code
	}
	return Answer{"error": failed}
}

// Serve answers until the input ends.
func (a *Agent) Serve() {
	a.Verbs["about"] = func(*Request) (Answer, error) {
		return Answer{"client": a.Client, "lacks": a.Lacks}, nil
	}
	input := bufio.NewReader(os.Stdin)
	for {
		line, err := input.ReadBytes('\n')
		if err != nil {
			return
		}
		text, err := json.Marshal(a.answer(line))
		if err != nil {
			panic(err)
		}
		fmt.Println(string(text))
	}
}

// ModuleVersion is the version of a module that this program is built with.
func ModuleVersion(path string) string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == path {
			return module.Version
		}
	}
	return "of unknown version"
}
