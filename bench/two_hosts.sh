#!/usr/bin/env bash
# Runs a command as two ranks on two "hosts": two network namespaces with a cable between them, so that everything the
# ranks tell each other crosses TCP. Needs root, iproute2 and Open MPI 4.
#
#     bench/two_hosts.sh tagsmith env --test
#     DELAY=1ms RATE=1gbit bench/two_hosts.sh tagsmith train …
#
# DELAY and RATE, where given, are what the cable has in each direction.
set -euo pipefail

id=$$
one=host-$id-1 two=host-$id-2
agent=$(mktemp)
cleanup() {
  ip netns delete "$one" 2>/dev/null || true
  ip netns delete "$two" 2>/dev/null || true
  rm -f "$agent"
}
trap cleanup EXIT

ip netns add "$one"
ip netns add "$two"
ip link add "veth-$id-1" type veth peer name "veth-$id-2"
number=1
for host in "$one" "$two"; do
  ip link set "veth-$id-$number" netns "$host"
  ip -n "$host" address add "10.77.0.$number/24" dev "veth-$id-$number"
  ip -n "$host" link set "veth-$id-$number" up
  ip -n "$host" link set lo up
  if [ -n "${DELAY:-}${RATE:-}" ]; then
    tc -n "$host" qdisc add dev "veth-$id-$number" root netem ${DELAY:+delay $DELAY} ${RATE:+rate $RATE} limit 100000
  fi
  number=$((number + 1))
done

# What mpirun takes for ssh: the second host is the only one it is asked for.
cat > "$agent" <<END
#!/bin/sh
shift
exec ip netns exec $two sh -c "\$*"
END
chmod +x "$agent"

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# Shared memory would go behind the cable's back.
ip netns exec "$one" mpirun --mca plm_rsh_agent "$agent" --host 10.77.0.1:1,10.77.0.2:1 --map-by node --bind-to none \
  --mca pml ob1 --mca btl tcp,self --mca btl_tcp_if_include 10.77.0.0/24 --mca oob_tcp_if_include 10.77.0.0/24 \
  --mca mpi_yield_when_idle 1 -n 2 "$@"
