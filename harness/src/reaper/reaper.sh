# Ends what a run has made on this machine, as soon as nobody uses it: servers, their shared memory, containers, folders.
#   $1  the run's quarters   $2  their record   $3  the container engine, if it is known to have been asked
# It waits while a process that stands in $1/users is alive. What it ends it names on its output.
# Closing is a rename, so that whoever comes at that very moment either is seen or finds the door closed.
quarters=$1
cd / || exit 1

alive() {
    kill -0 "$1" 2>/dev/null || return 1
    # One that has ended and that nobody has asked after is listed still.
    [ -r "/proc/$1/stat" ] || return 0
    read -r stat <"/proc/$1/stat" || return 1
    case $stat in *') Z '*) return 1 ;; esac
}

used() {
    by=1
    for user in "$1"/*; do
        [ -e "$user" ] || continue
        pid=${user##*/}
        if ! alive "$pid"; then
            # Its number may be given to somebody else.
            rm -f "$user"
            continue
        fi
        parent=
        read -r parent <"$user"
        if [ -n "$parent" ] && ! alive "$parent"; then
            # Whoever waited for it was killed: nobody wants what it would still do.
            kill -KILL "$pid" 2>/dev/null && echo "process $pid"
        fi
        by=0
    done
    return $by
}

# The processes whose data lie in the quarters: also one that was only being made.
servers() {
    if [ -r /proc/self/cmdline ]; then
        for file in $(grep -lsF -- "$quarters/" /proc/[0-9]*/cmdline); do
            pid=${file#/proc/}
            printf '%s %s\n' "${pid%/cmdline}" "$(tr '\0' ' ' <"$file" 2>/dev/null)"
        done
    else
        ps -A -o pid= -o args=
    fi | while read -r pid command; do
        case "$command " in *" -D $quarters/"*) echo "$pid" ;; esac
    done
}

end_servers() {
    for pid in $(servers); do
        kill -QUIT "$pid" 2>/dev/null && echo "server $pid"
    done
    tries=0
    while [ -n "$(servers)" ] && [ $tries -lt 50 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
    for pid in $(servers); do
        kill -KILL "$pid" 2>/dev/null
    done
}

# The segment by which a server knows that another has its data: 56 bytes, which stay where the server was killed. Its
# key and its number stand in the seventh line of what the server says of itself.
free_segments() {
    for said in "$quarters"/*/data/postmaster.pid; do
        [ -r "$said" ] || continue
        read -r key id <<SEGMENT
$(sed -n 7p "$said")
SEGMENT
        [ -n "$id" ] || continue
        # The number may be another's by now.
        ipcs -m 2>/dev/null | grep -w -- "$id" | grep -qiE "0x0*$(printf '%x' "$key")\b" &&
            ipcrm -m "$id" 2>/dev/null && echo "segment $id"
    done
}

end_containers() {
    found=$(docker ps -aq --no-trunc --filter "label=watertight.quarters=${quarters##*/}" 2>/dev/null) || return 1
    for id in $found; do
        # With the volumes that it was given.
        docker rm -f -v "$id" >/dev/null 2>&1 && echo "container $id"
    done
    return 0
}

while [ -d "$quarters" ]; do
    if ! used "$quarters/users"; then
        mv "$quarters/users" "$quarters/closed" 2>/dev/null || break
        used "$quarters/closed" || break
        mv "$quarters/closed" "$quarters/users"
    fi
    sleep 0.5
done

end_servers
free_segments
left=
engine=$3
[ -e "$quarters/engine" ] && read -r engine <"$quarters/engine"
if [ -n "$engine" ]; then
    DOCKER_HOST=$engine
    export DOCKER_HOST
    # Whoever died in the middle of a request may get a container yet.
    looks=1
    for asked in "$quarters"/asked-*; do
        [ -e "$asked" ] && looks=16
    done
    while [ $looks -gt 0 ]; do
        if end_containers; then left=; else left=1; fi
        looks=$((looks - 1))
        [ $looks -gt 0 ] && sleep 0.5
    done
fi
tries=0
while [ -e "$quarters" ] && [ $tries -lt 20 ]; do
    # Whoever was killed in the middle of something may still write.
    rm -rf "$quarters" 2>/dev/null && echo "folder $quarters" || sleep 0.2
    end_servers
    tries=$((tries + 1))
done
rm -rf "$quarters.new"
[ -e "$quarters" ] && left=1
[ -n "$left" ] && exit 1
rm -f "$2"
