# Serves one page that says who serves it. PORT is the port inside, and nobody else's: each container has a network of its own.
mkdir -p /tmp/www
echo "Served by $DARUMA_SLOT, epoch $DARUMA_EPOCH. $(cat /data/greeting)" >/tmp/www/index.html
exec httpd -f -p "$PORT" -h /tmp/www
