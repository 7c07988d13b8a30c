// Package cache keeps answers of a schema registry in memory ([Memo]) and on
// disk ([Disk]), and failures for a short time ([Failures]).
package cache
