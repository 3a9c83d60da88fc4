"""Sessions of the service over MQTT 5: what happens goes out, questions and settings come in.

topics, mapping, discovery, requests   pure: names, what an event becomes, what comes in
places                                 how far each session has been told, in SQLite
broker                                 the connection, through aiomqtt (asyncio-mqtt of old)
bridge                                 these together
"""
