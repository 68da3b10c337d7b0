# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The configurations of a lab (scripts/lab.sh, which reads this): of sluiced, and of the backends' servers.

# lab_service NAME ADDRESS PORT PROTOCOL FAMILY [WEIGHT...]: a service of b1-b3 by addresses of a family.
lab_service()
{
	local name=$1 address=$2 port=$3 protocol=$4 family=$5 host weight

	shift 5
	echo "  - name: $name"
	echo "    address: \"$address\""
	echo "    port: $port"
	echo "    protocol: $protocol"
	echo '    backends:'
	for host in "${LAB_BACKENDS[@]}"; do
		weight=${1:-1}
		[ $# -eq 0 ] || shift
		echo "      - {address: \"$(lab_address "$host" "$family")\", weight: $weight}"
	done
}

# lab_config_head [MODE]: everything of a configuration but the services themselves.
# shellcheck disable=SC2120
lab_config_head()
{
	local mode=${1:-native}

	echo 'version: 1'
	echo 'interfaces:'
	echo "  - {device: eth0, mode: $mode}"
	[ ! -e "$LAB_RUN/two-armed" ] || echo "  - {device: eth1, mode: $mode}"
	echo 'tunnel:'
	echo "  source: $(lab_address lb 4)"
	echo "  source6: $(lab_address lb 6)"
	echo 'defaults:'
	echo "  tracking: $LAB_TRACKING"
	echo 'services:'
}

# The lab's own configuration: both families, each with backends of both families.
lab_config()
{
	lab_config_head native
	lab_service web4 "$LAB_VIP4" 80 tcp 4
	lab_service web6 "$LAB_VIP6" 80 tcp 6
	lab_service web4over6 "$LAB_VIP4" 8080 tcp 6
	lab_service web6over4 "$LAB_VIP6" 8080 tcp 4
	lab_service echo4 "$LAB_VIP4" "$LAB_UDP_PORT" udp 4
	lab_service echo6 "$LAB_VIP6" "$LAB_UDP_PORT" udp 6
}

lab_nginx_config()
{
	local name=$1 home=$LAB_RUN/$1

	cat <<-END
		user nobody nogroup;
		worker_processes 1;
		daemon off;
		pid $home/nginx.pid;
		error_log $home/error.log warn;
		events { worker_connections 4096; }
		http {
		    access_log off;
		    client_body_temp_path $home/body;
		    proxy_temp_path $home/proxy;
		    fastcgi_temp_path $home/fastcgi;
		    uwsgi_temp_path $home/uwsgi;
		    scgi_temp_path $home/scgi;
		    client_max_body_size 0;
		    sendfile on;
		    keepalive_requests 1000000;
		    keepalive_timeout 1h;
		    server {
		        listen 80 backlog=4096;
		        listen [::]:80 backlog=4096;
		        listen 8080 backlog=4096;
		        listen [::]:8080 backlog=4096;
		        default_type text/plain;
		        add_header X-Backend $name always;
		        add_header X-Client \$remote_addr always;
		        location / { return 200 "$name\n"; }
		        location /files/ { alias $LAB_RUN/files/; }
		        location /uploads/ { root $home; dav_methods PUT; }
		    }
		}
	END
}
