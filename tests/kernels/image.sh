# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a guest is made of (tests/kernels/run, which reads this): Debian's kernel packages, unpacked and never installed, and
# an initramfs of this machine's own tools, the programs and the tests, at the same paths as here.
#
# $SOURCE is the tree, $BUILD_DIR what was built, and $STORE the cache: debs/, PACKAGE/ for each kernel, and *.cpio. The kernel takes an initramfs of several archives in a row.

# What the guest's scripts call. Each comes with its libraries.
GUEST_TOOLS='bash sh ip ss tc ethtool bpftool nsenter unshare setsid mount umount stat sysctl modprobe stty dmesg
	cat ls cp mv rm mkdir rmdir ln touch chmod chown head tail cut sort uniq tr wc tee sleep date seq dirname basename
	readlink mktemp sha256sum cmp true false env id uname timeout nproc nohup kill find xargs sed awk mawk grep egrep ps pgrep
	nginx curl python3 ipvsadm xdp-loader'
GUEST_PACKAGES='libpython3.*-minimal libpython3.*-stdlib python3-scapy libxdp1 nginx-common mime-support media-types netbase'
GUEST_MODULES='veth bridge macvlan dummy sch_ingress cls_bpf cls_u32 virtio_pci virtio_net ipip ip6_tunnel sit fou fou6 ip_vs
	ip_vs_rr ip_vs_mh 8021q'

# Prints the package of the newest kernel of a series (6.1) that apt knows; nothing when it knows none.
kernel_package()
{
	local meta

	for meta in "linux-image-$1-cloud-amd64" linux-image-cloud-amd64; do
		apt-cache depends "$meta" 2>/dev/null
	done | awk -v series="linux-image-$1." '$1 == "Depends:" && index($2, series) == 1 { print $2; exit }'
}

# The one that is unpacked already, for a machine that has no network now.
kernel_unpacked()
{
	find "$STORE" -maxdepth 1 -name "linux-image-$1.*" -type d -exec test -e '{}/ready' \; -printf '%f\n' 2>/dev/null |
		sort -V | tail -n 1
}

# kernel_fetch SERIES PACKAGE: downloads and unpacks it, once; older ones of the series go.
kernel_fetch()
{
	local package=$2 dir=$STORE/$2 deb

	[ ! -e "$dir/ready" ] || return 0
	rm -rf "$dir"
	mkdir -p "$STORE/debs"
	# As root: apt's own user may not write here.
	(cd "$STORE/debs" && rm -f "${package}_"*.deb && apt-get -q -o APT::Sandbox::User=root download "$package") || return
	deb=$(find "$STORE/debs" -name "${package}_*.deb")
	dpkg-deb -x "$deb" "$dir" && depmod -b "$dir" "$(kernel_release "$dir")" || return
	rm -rf "$STORE/debs"
	find "$STORE" -maxdepth 1 -name "linux-image-$1.*" ! -name "$package" -type d -exec rm -rf '{}' +
	touch "$dir/ready"
}

kernel_release()
{
	basename "$1"/lib/modules/*
}

# ---- archives --------------------------------------------------------------------------------------------

# Reads names of files below /, writes the archive: with all folders above them, and links followed. /bin, /lib and
# their like are links to /usr in the guest as here.
archive()
{
	sed -E 's,^/(bin|sbin|lib|lib64)/,/usr/\1/,; s,^/,,' | awk '
		{ n = split($0, part, "/"); path = ""
		  for (i = 1; i <= n; i++) {
			path = path (i > 1 ? "/" : "") part[i]
			if (!(path in seen)) { seen[path] = 1; print path } } }' |
		(cd / && cpio -o -H newc -L --quiet)
}

# Names of a program and the libraries that it is linked with.
with_libraries()
{
	local file

	for file in "$@"; do
		echo "$file"
		ldd "$file" 2>/dev/null | awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\// && $2 ~ /^\(/ { print $1 }'
	done | sort -u
}

# tools_archive: the tools and what they read; made anew when their list or a package has changed.
tools_archive()
{
	local archive=$STORE/tools.cpio tool file
	local -a files=()

	# shellcheck disable=SC2153
	if [ "$archive" -nt "$SOURCE/tests/kernels/image.sh" ] && [ "$archive" -nt /var/lib/dpkg/status ]; then
		return
	fi
	for tool in $GUEST_TOOLS; do
		# Debian's own, not what else may be first in the caller's PATH.
		file=$(PATH=/usr/sbin:/usr/bin:/sbin:/bin type -P "$tool") || {
			echo "kernels: $tool is missing; run scripts/install-deps build demo check kernels" >&2
			return 1
		}
		files+=("$file")
	done
	{
		with_libraries "${files[@]}"
		# Package names, which have no blanks.
		# shellcheck disable=SC2046,SC2086
		dpkg-query -L $(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $GUEST_PACKAGES 2>/dev/null |
			sed -n 's/^installed //p') | grep -vE '^/usr/share/(doc|man|lintian)|/test(s)?/|__pycache__' |
			while read -r file; do
				[ ! -f "$file" ] || echo "$file"
			done
		# shellcheck disable=SC2046
		with_libraries $(find /usr/lib/python3*/lib-dynload -name '*.so')
		printf '%s\n' /etc/passwd /etc/group /etc/ld.so.cache /etc/nsswitch.conf /etc/protocols
	} | sort -u | archive >"$archive.new" && mv "$archive.new" "$archive"
}

# modules_archive PACKAGE
modules_archive()
{
	local dir=$STORE/$1 archive=$STORE/$1/modules.cpio release stage file
	local -a wanted

	[ ! "$archive" -nt "$SOURCE/tests/kernels/image.sh" ] || return 0
	release=$(kernel_release "$dir")
	stage=$dir/stage
	rm -rf "$stage"
	read -ra wanted <<<"${GUEST_MODULES//[$'\n\t']/ }"
	# Those that are built in have no file.
	modprobe -d "$dir" -S "$release" -a --show-depends "${wanted[@]}" 2>/dev/null |
		sed -n 's/^insmod \([^ ]*\).*/\1/p' | sort -u | while read -r file; do
		mkdir -p "$stage/usr/$(dirname "${file#"$dir"/}")"
		cp "$file" "$stage/usr/${file#"$dir"/}"
	done
	cp "$dir/lib/modules/$release"/modules.{builtin,builtin.modinfo,order} "$stage/usr/lib/modules/$release/"
	depmod -b "$stage/usr" "$release"
	(cd "$stage" && find . | cpio -o -H newc --quiet) >"$archive.new" && mv "$archive.new" "$archive"
	rm -rf "$stage"
}

# tree_archive FILE: the guest's root folders, the project's scripts and tests, and what was built.
tree_archive()
{
	local stage=$STORE/stage link
	local -a built

	rm -rf "$stage"
	mkdir -p "$stage"/{usr/bin,usr/sbin,usr/lib,usr/lib64,proc,sys,dev,run,tmp,etc,root,var/run,var/log/nginx,var/lib/nginx}
	for link in bin sbin lib lib64; do
		ln -s "usr/$link" "$stage/$link"
	done
	cp "$SOURCE/tests/kernels/guest/init" "$stage/init"
	printf 'SOURCE=%q\nBUILD=%q\n' "$SOURCE" "$BUILD_DIR" >"$stage/job"
	(cd "$stage" && find . | cpio -o -H newc --quiet) >"$1" || return
	rm -rf "$stage"
	# The lab's, made now: a guest has no compiler.
	(LAB_INSTANCE=kernels && . scripts/lab.sh && lab_pass_object) >/dev/null || return
	clang -O2 -g -target bpf -Wall -Werror "-I/usr/include/$(uname -m)-linux-gnu" -c "$SOURCE/tests/kernels/counting.bpf.c" \
		-o "$BUILD_DIR/lab/counting.bpf.o" || return
	mapfile -t built < <(printf '%s\n' "$BUILD_DIR"/{sluiced,sluice-prober,sluicectl,sluice-decap,tests/packet})
	{
		with_libraries "${built[@]}"
		find "$BUILD_DIR"/{bpf,bpf-new,lab} -name '*.bpf.o'
		find "$SOURCE"/{scripts,tests/e2e,tests/kernels} -type f
		echo "$SOURCE/tests/packet/decode.py"
	} | archive >>"$1"
}
