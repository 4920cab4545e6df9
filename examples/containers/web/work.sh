# Counts for as long as it lives, and goes on where the one before it stopped. There is never a second one, so the file needs no lock.
count=$(cat /data/count 2>/dev/null || echo 0)
echo "going on from $count"
while true; do
  count=$((count + 1))
  echo "$count" >/data/count
  sleep 1
done
