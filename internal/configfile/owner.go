package configfile

import (
	"slices"
	"strings"
	"sync"
)

// Owner is the reader that a key belongs to.
type Owner uint8

// The owners.
const (
	// Nobody: no reader of this module and no Java client knows the key.
	Nobody Owner = iota
	// Producer: package producer, and every other client of Kafka's brokers.
	Producer
	// Consumer: the consumer in a processor.
	Consumer
	// Registry: package registry.
	Registry
	// Serde: package serde.
	Serde
	// Elsewhere: Java clients, Kafka Connect or Spring Boot only. Nothing here
	// reads the key.
	Elsewhere
)

// OwnerOf returns the owner of a key, by each of the names that the key has.
func OwnerOf(key string) Owner {
	if name, ok := secretFile(key); ok {
		key = name
	}
	return owners()[key].or(ownerByPrefix(key))
}

func (o Owner) or(other Owner) Owner {
	if o == Nobody {
		return other
	}
	return o
}

// ownerByPrefix knows the families of keys whose members have free names.
func ownerByPrefix(key string) Owner {
	for _, family := range []struct {
		prefix string
		owner  Owner
	}{
		{"go.", Producer},                // confluent-kafka-go's, refused there
		{"request.header.", Registry},    // headers of registry requests
		{"schema.registry.", Registry},   // also the TLS settings that nothing here reads
		{"rule.executors.", Serde},       // Confluent's data contracts
		{"rule.actions.", Serde},         //
		{"config.providers.", Elsewhere}, // see providers
		{"admin.", Elsewhere},            // Kafka Connect
		{"offset.storage.", Elsewhere},
		{"config.storage.", Elsewhere},
		{"status.storage.", Elsewhere},
		{"offset.flush.", Elsewhere},
		{"header.converter.", Elsewhere},
		{"internal.key.converter", Elsewhere},
		{"internal.value.converter", Elsewhere},
		{"rest.", Elsewhere},
		{"plugin.", Elsewhere},
		{"listeners.https.", Elsewhere},
		{"inter.worker.", Elsewhere},
		{"task.shutdown.", Elsewhere},
		{"worker.", Elsewhere},
		{"connect.protocol", Elsewhere},
		{"connector.client.", Elsewhere},
		{"scheduled.rebalance.", Elsewhere},
		{"topic.creation.", Elsewhere},
		{"topic.tracking.", Elsewhere},
		{"metrics.context.", Elsewhere},
		{"access.control.allow.", Elsewhere},
	} {
		if strings.HasPrefix(key, family.prefix) {
			return family.owner
		}
	}
	return Nobody
}

// owners are the keys that are known one by one.
//
//nolint:gochecknoglobals // a table, made at its first use and never changed
var owners = sync.OnceValue(func() map[string]Owner {
	known := map[string]Owner{}
	for owner, names := range map[Owner]string{
		Producer: producerNames, Consumer: consumerNames, Registry: registryNames, Serde: serdeNames, Elsewhere: elsewhereNames,
	} {
		for name := range strings.FieldsSeq(names) {
			known[name] = owner
		}
	}
	return known
})

// Names returns the names of an owner's keys, sorted.
func Names(owner Owner) []string {
	var names []string
	for name, o := range owners() {
		if o == owner {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Secret tells whether the value of a key is a secret. No error shows the
// value, and the key may be given as KEY.file.
func Secret(key string) bool {
	return secrets()[key]
}

//nolint:gochecknoglobals // a table, made at its first use and never changed
var secrets = sync.OnceValue(func() map[string]bool {
	secret := map[string]bool{}
	for name := range strings.FieldsSeq(secretNames) {
		secret[name] = true
	}
	return secret
})

// secretFile returns the secret's key for a key KEY.file.
func secretFile(key string) (name string, ok bool) {
	name, ok = strings.CutSuffix(key, ".file")
	return name, ok && Secret(name)
}

// Nearest returns the known name that is most like an unknown one, in the words
// of an error. It is empty if no name is near.
func Nearest(name string, known []string) string {
	best, least := "", max(2, len(name)/3)+1
	for _, k := range slices.Sorted(slices.Values(known)) {
		if d := distance(name, k); d < least {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return `: did you mean "` + best + `"?`
}

// distance is Levenshtein's, with bounded work.
func distance(a, b string) int {
	if len(a) > 200 || len(b) > 200 {
		return 200
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
