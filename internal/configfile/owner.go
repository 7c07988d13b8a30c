package configfile

import (
	"slices"
	"strings"
	"sync"
)

// Owner is the reader of a key.
type Owner uint8

// The owners.
const (
	// Nobody means that no reader of this module and no Java client knows the
	// key.
	Nobody Owner = iota
	// Producer is package producer, and every other client of Kafka's brokers.
	Producer
	// Consumer is the consumer in a processor.
	Consumer
	// Registry is package registry.
	Registry
	// Serde is package serde.
	Serde
	// Elsewhere means that only Java clients, Kafka Connect or Spring Boot read
	// the key. No package of this module reads the key.
	Elsewhere
)

// OwnerOf returns the owner of a key. A key may have several names.
func OwnerOf(key string) Owner {
	if name, ok := secretFile(key); ok {
		key = name
	}
	return owners()[key].orElse(ownerByPrefix(key))
}

func (o Owner) orElse(other Owner) Owner {
	if o == Nobody {
		return other
	}
	return o
}

// ownerByPrefix finds the owner of a key from its prefix. The rest of such a
// key is a free name.
func ownerByPrefix(key string) Owner {
	for _, family := range []struct {
		prefix string
		owner  Owner
	}{
		{"go.", Producer},                // keys of confluent-kafka-go, an error in package producer
		{"request.header.", Registry},    // headers of registry requests
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
		{"confluent.", Elsewhere}, // parts of Confluent Platform
	} {
		if strings.HasPrefix(key, family.prefix) {
			return family.owner
		}
	}
	return Nobody
}

// owners has the keys that are known by their full name.
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

// Secret reports whether the value of a key is a secret. No error shows the
// value of a secret. A secret may be given as KEY.file.
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

// secretFile returns the secret's key for a key of the form KEY.file.
func secretFile(key string) (name string, ok bool) {
	name, ok = strings.CutSuffix(key, ".file")
	return name, ok && Secret(name)
}

// registryPrefix stands in front of the names that only a client of the schema
// registry has.
const registryPrefix = "schema.registry."

// hint returns the hint for an unknown key. Java's client reads some of its
// settings only without the prefix, so the name without the prefix is the best
// hint.
func hint(key string) string {
	if name, ok := strings.CutPrefix(key, registryPrefix); ok {
		if owner := OwnerOf(name); owner == Registry || owner == Serde {
			return `: did you mean "` + name + `"?`
		}
	}
	return Nearest(key, knownNames())
}

// Nearest returns a hint with the known name that is most similar to an unknown
// name. If no name is similar, the result is "".
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

// distance returns the Levenshtein distance, with limited work.
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
