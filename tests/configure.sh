#!/bin/sh
# configure on a machine that lacks what is needed: it names every library and the Debian packages to install, which are
# those that contrib/packages installs. And what it asked of compiler and linker for safety is in the programs.
set -u
top=${PENNYPOST_TOP_SRCDIR:?}
build=${PENNYPOST_TOP_BUILDDIR:?}
# Within the source tree it would ask for make distclean instead.
[ ! -e "$top/config.status" ] || exit 77
dir=$(mktemp -d "${TMPDIR:-/tmp}/pennypost-test.XXXXXX") || exit 99
trap 'rm -rf "$dir"' EXIT
. "$top/tests/says.sh"

refuses() { # refuses WHAT WORDS OPTION ...: configure ends with 1 and says these words
	what=$1 words=$2
	shift 2
	(cd "$dir" && "$top/configure" -q "$@" PKG_CONFIG="$dir/knows-nothing" CFLAGS=-g >out 2>&1)
	says "$what: exit code" 1 $?
	says "$what: what it says" yes "$(grep -qF -- "$words" "$dir/out" && echo yes || tail -n 3 "$dir/out")"
}

cat >"$dir/knows-nothing" <<'END'
#!/bin/sh
case $1 in
--version) echo 1.8 ;;
--atleast-pkgconfig-version) ;;
*) exit 1 ;;
esac
END
chmod 755 "$dir/knows-nothing"

refuses 'libraries are missing' 'these libraries are missing: libpq >= 14, openssl >= 3.0, '
named=$(sed -n 's/^On Debian install them with: apt-get install //p' "$dir/out")
says 'every missing library has its package' "$(sed -n 's/.*libraries are missing: //p' "$dir/out" | tr ',' '\n' | wc -l)" \
	"$(echo "$named" | wc -w)"
# What contrib/packages would install; it only names them here.
for package in $named; do
	says "contrib/packages installs $package" yes \
		"$(tr -s ' \t"=' '\n' <"$top/contrib/packages" | grep -qxF "$package" && echo yes || echo no)"
done

# ---- without a compiler, without pkg-config: a PATH that has everything but them
mkdir "$dir/bin" "$dir/broken"
for folder in /usr/local/bin /usr/bin /bin; do
	ln -s "$folder"/* "$dir/bin/" 2>/dev/null
done
rm -f "$dir"/bin/*pkg-config* "$dir"/bin/*pkgconf*
names() { # names WHAT WORDS PACKAGE VARIABLE ...: configure ends with 1, says these words and names this package alone
	what=$1 words=$2 package=$3
	shift 3
	(cd "$dir" && env -u CC -u PKG_CONFIG "$@" PATH="$dir/bin" "$top/configure" -q CFLAGS=-g >out 2>&1)
	says "$what: exit code" 1 $?
	says "$what: what it says" yes "$(grep -qF -- "$words" "$dir/out" && echo yes || tail -n 3 "$dir/out")"
	says "$what: the package" "$package" "$(sed -n 's/^On Debian .*: apt-get install //p' "$dir/out")"
	says "contrib/packages installs $package" yes \
		"$(tr -s ' \t"=' '\n' <"$top/contrib/packages" | grep -qxF "$package" && echo yes || echo no)"
}
names 'no pkg-config' 'pkg-config is missing' pkg-config
printf '#!/bin/sh\necho "cannot find crt1.o" >&2\nexit 1\n' >"$dir/broken/cc"
chmod 755 "$dir/broken/cc"
names 'a compiler without its library' "the C compiler $dir/broken/cc makes no programs" build-essential CC="$dir/broken/cc"
# One that links only with what the caller gives it, each word in its place; -g1 is not configure's own.
cat >"$dir/broken/particular" <<'END'
#!/bin/sh
case " $* " in *' -g1 -DCPP -L/ conftest.c -o conftest -lm ') exec cc "$@" ;; esac
case " $* " in *' conftest.c -o conftest '*) exit 1 ;; esac
exec cc "$@"
END
chmod 755 "$dir/broken/particular"
(cd "$dir" && "$top/configure" -q CC="$dir/broken/particular" CFLAGS=-g1 CPPFLAGS=-DCPP LDFLAGS=-L/ LIBS=-lm \
	PKG_CONFIG="$dir/knows-nothing" >out 2>&1)
says 'flags of the caller link too' yes \
	"$(grep -q 'these libraries are missing' "$dir/out" && echo yes || tail -n 3 "$dir/out")"
rm -f "$dir"/bin/cc "$dir"/bin/*gcc* "$dir"/bin/*clang* "$dir"/bin/c[89]9*
names 'no compiler' 'there is no C compiler' build-essential

refuses 'two sanitizers that exclude each other' 'exclude each other' --enable-sanitizers=address,thread
refuses 'a sanitizer that there is not' 'known are address, undefined, thread' --enable-sanitizers=colour

# ---- the programs
flags=$(sed -n 's/^HARDEN_LDFLAGS = //p' "$build/Makefile")
for program in pennypostd pennypost; do
	dynamic=$(readelf -Wd "$build/$program") headers=$(readelf -Wlh "$build/$program")
	case $flags in *-pie*)
		says "$program: its place is left to chance" yes "$(echo "$headers" | grep -q 'Type: *DYN' && echo yes)" ;;
	esac
	case $flags in *-z,relro*)
		says "$program: its tables are read-only" yes "$(echo "$headers" | grep -q GNU_RELRO && echo yes)" ;;
	esac
	case $flags in *-z,now*)
		says "$program: every name is bound at the start" yes "$(echo "$dynamic" | grep -qw NOW && echo yes)" ;;
	esac
	says "$program: no stack is executed" 'RW' "$(echo "$headers" | sed -n 's/^ *GNU_STACK .* \(RWE\{0,1\}\) .*/\1/p')"
	case $(sed -n 's/^HARDEN_CFLAGS = //p' "$build/Makefile") in *-fstack-protector*)
		says "$program: stacks are guarded" yes \
			"$(readelf -Ws "$build/$program" | grep -q __stack_chk_fail && echo yes)" ;;
	esac
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
