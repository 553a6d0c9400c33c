#!/bin/sh
# What is printed of the tables: the settings reference in doc/ is up to date, manual pages are roff
# that man reads without complaint, completion scripts are accepted by their shells.
set -u
top=${PENNYPOST_TOP_SRCDIR:-$(dirname "$0")/../..}
pennypost=${PENNYPOST_TOP_BUILDDIR:-.}/pennypost
dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT
. "$top/tests/says.sh"

"$pennypost" manual settings --markdown >"$dir/settings.md"
says 'doc/settings.md is up to date (make settings-reference)' '' "$(diff "$top/doc/settings.md" "$dir/settings.md" | head -n 5)"

groff=$(command -v groff) || echo 'skip whether groff reads the manual pages: needs groff'
for page in command settings server conf; do
	"$pennypost" manual $page >"$dir/$page"
	says "the page $page has a title" 1 "$(grep -c '^\.TH' "$dir/$page")"
	[ -z "$groff" ] || says "groff reads $page" '' "$(groff -man -ww -Tutf8 -z -Kutf8 "$dir/$page" 2>&1 | head -n 3)"
done
"$pennypost" help --json | grep '"command"' | sed 's/.*: "\(.*\)",/\1/' >"$dir/commands"
says 'there are commands' yes "$([ "$(wc -l <"$dir/commands")" -gt 40 ] && echo yes)"
for page in command=pennypost settings=pennypost-settings server=pennypostd conf=pennypost.conf; do
	says "the page ${page%=*} by its name" 0 "$("$pennypost" manual "${page#*=}" | cmp - "$dir/${page%=*}"; echo $?)"
done
while read -r name; do
	says "pennypost(1) tells about $name" 1 "$(sed 's/\\-/-/g' "$dir/command" | grep -cxF ".SS \"$name\"")"
done <"$dir/commands"
says 'pennypost-settings(5) has every setting' \
	"$(sed -n 's/^SETTING(\([a-z0-9_]*\),.*/\1/p' "$top/src/provider/settings.def")" \
	"$(sed -n 's/^\\fB\([a-z0-9_]*\)\\fR$/\1/p' "$dir/settings")"

# complete WORDS: what bash offers behind them; the last word is being typed.
complete() {
	bash -c 'source <("$1" completion bash); shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
		_pennypost; echo "${COMPREPLY[*]}"' bash "$pennypost" pennypost "$@"
}
if command -v bash >/dev/null; then # contrib/check is written in it
	says 'bash completes a group' 'postoffice' "$(complete post)"
	says 'bash completes a command' 'add add-many' "$(complete mailbox add)"
	says 'bash completes an option' '--kind' "$(complete mailbox add anna@demo --k)"
	says 'bash completes a word' 'admin' "$(complete mailbox add anna@demo --kind a)"
	says 'bash completes an argument' 'zsh' "$(complete completion z)"
	says 'bash looks past options in front' 'logon-test' "$(complete --json --config x mailbox l | tr ' ' '\n' | grep logon)"
	while read -r name; do
		says "bash knows the options of $name" yes "$(complete $name --h | grep -q -- --help && echo yes)"
	done <"$dir/commands"
fi
if command -v zsh >/dev/null; then
	"$pennypost" completion zsh >"$dir/_pennypost"
	says 'zsh reads its script' '' "$(zsh -n "$dir/_pennypost" 2>&1)"
	# With what zsh's own functions would be given.
	says 'zsh is asked for the right words' 'words pennypost|anna@demo|--k| at 3' "$(zsh -f -c '
		_arguments() { print -n "words "; printf "%s|" "${words[@]}"; print " at $CURRENT" }
		words=(pennypost --json mailbox add anna@demo --k) CURRENT=6
		functions[compdef]=":"; source "$1"; _pennypost' zsh "$dir/_pennypost")"
	says 'zsh may source it' 'known: _pennypost pennypost' "$(zsh -f -c '
		compdef() { echo "known: $*" }; source "$1"' zsh "$dir/_pennypost" 2>&1)"
	says 'or have it loaded' 'words pennypost|anna@demo|--k| at 3' "$(zsh -f -c '
		_arguments() { print -n "words "; printf "%s|" "${words[@]}"; print " at $CURRENT" }
		words=(pennypost --json mailbox add anna@demo --k) CURRENT=6
		fpath=("$1"); autoload -Uz _pennypost; _pennypost' zsh "$dir")"
else
	echo 'skip whether zsh reads its completion: needs zsh'
fi

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
