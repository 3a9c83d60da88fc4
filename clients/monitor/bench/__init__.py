"""`echosieve bench monitor`: a whole monitor, told from its scripted events to a real broker.

script     the stream, in which watched things come when they are to
mosquitto  a broker that can be killed
course     the stream as it is fed, and what is told meanwhile
command    these together, and the figures
"""
