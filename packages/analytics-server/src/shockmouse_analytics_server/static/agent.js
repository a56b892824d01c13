(()=>{"use strict"
let et=document.currentScript||document.querySelector("script[data-key]")
let ew=window.shockmouse
if(!et||ew?.version)return
let eq=ew?.q||[]
let ej="0.1.0"
let b=et.dataset
let y=e=>b.autotrack?.split(/\s+/).includes(e)??e!=="hash"
let ez=navigator.globalPrivacyControl||navigator.doNotTrack==="1"
let eA=b.privacy||"balanced"
let en=ez||!/^(balanced|full)$/i.test(eA)?"strict":eA.toLowerCase()
let ea=+b.sampleRate
let eo=ea>0&&ea<1?ea:1
let L=new URL(b.events||"v1/events",new URL(b.endpoint?.replace(/\/?$/,"/")||et.src,location))
L.searchParams.set("key",b.key)
let ei=6e4
let eB=6e4
let eC="Shockmouse-Session"
let eD=()=>{}
let p=t=>(...n)=>{try{let e=t(...n)
e?.catch?.(eD)
return e}catch{}}
let m=(M,e)=>M.split(" ").forEach(t=>addEventListener(t,p(e),true))
let j=(e,z)=>(""+e).slice(0,z).replace(/[\ud800-\udbff]$/,"")
let eE=0
let F=()=>{let e="0"+(eE=Math.max(eE+1,Date.now())).toString(16)
let t=[...crypto.getRandomValues(new Uint8Array(18))]
let n=()=>(t.pop()&15).toString(16)
return e.slice(0,8)+"-"+e.slice(8)+"-7xxx-axxx-xxxxxxxxxxxx".replace(/x/g,n)}
let N="shockmouse."
let ta=p((e,t=localStorage)=>t.getItem(N+e))
let A=p((e,t,n=localStorage)=>n.setItem(N+e,t))
let er=p((e,t=localStorage)=>t.removeItem(N+e))
let M=O=>Object.keys(localStorage).filter(e=>e.startsWith(N+O))
let P=(e,t,n)=>t.exec(ta(e,n))?.[0]
let G=b.consent==="given"&&"yes"
let Q=()=>(ez&&b.gpc==="drop"?"no":P("consent",/^(yes|no)$/)||G)
let eF=()=>P("device",/^[\w-]{36}$/)
let es=()=>eF()||(A("device",F()),eF())
let B=()=>(Q()==="yes"&&en!=="strict"&&es()?en:"strict")
let g
let to=e=>{let t=/^{"id":"[\w-]{36}","started":\d{13},"last":\d{13}}$/
g=p(JSON.parse)(P("session",t,sessionStorage))||g
if(!g||e-g.last>30*ei||e-g.started>1440*ei)
g={id:F(),started:e}
if(!(e-g.last<9e3)){g.last=e
A("session",JSON.stringify(g),sessionStorage)}
return g}
let R=e=>new TextEncoder().encode(e)
let ec=t=>{let e=0x811c9dc5
for(let n of R(t))e=Math.imul(e^n,0x01000193)
e=Math.imul(e^(e>>>16),0x85ebca6b)
e=Math.imul(e^(e>>>13),0xc2b2ae35)
return(e^(e>>>16))>>>0}
let{userAgentData:ed,language:eG}=navigator
let S=e=>(B()==="full"?e:Math.round(e/100)*100)
let T
let ti=t=>{let e={platform:ed?.platform||navigator.platform,touch:navigator.maxTouchPoints>0,mobile:ed?.mobile,viewport:S(innerWidth)+"x"+S(innerHeight),pixel_ratio:devicePixelRatio,dark:matchMedia("(prefers-color-scheme:dark)").matches}
if(t!=="strict")
Object.assign(e,{cores:navigator.hardwareConcurrency,memory:navigator.deviceMemory,color_depth:screen.colorDepth,gamut:["rec2020","p3","srgb"].find(a=>matchMedia("(color-gamut:"+a+")").matches),hdr:matchMedia("(dynamic-range:high)").matches})
if(t==="full"){let{vendor:o}=navigator
Object.assign(e,{languages:""+navigator.languages,vendor:o,math:Math.tan(-1e300)},T)
if(!T){T={}
ed?.getHighEntropyValues(["architecture","model","platformVersion","uaFullVersion"]).then(r=>{T={...r,brands:undefined}
el=0},eD)}}
let n=b.key+JSON.stringify(e)
return{hash:ec(n).toString(16)+ec(n+1).toString(16),signals:e}}
let tr=t=>{let e=navigator.webdriver||undefined
if(t==="strict")return{webdriver:e,locale:eG.split("-")[0]}
return{webdriver:e,locale:eG,timezone:Intl.DateTimeFormat().resolvedOptions().timeZone,screen:{width:S(screen.width),height:S(screen.height)}}}
let ts=F()
let tc=0
let f=[]
let eu=0
let ep,eH,h,el
let v=(s,n,c,d,l=h)=>{if(Q()==="no")return
let a=Date.now()
let e=B()
let t=e!=="strict"&&to(a)
let o=t?es():undefined
if(t&&eo<1&&ec(o)>=eo*2**32)return
let r={event_id:F(),type:s,name:n&&j(n,255),timestamp:new Date(a),properties:c,user_id:eH,device_id:o,session_id:t.id,session_started_at:t?new Date(t.started):undefined,privacy:e,sample_rate:eo,boot_id:ts,seq:tc++,context:{page:l},user_properties:d,}
if(el!==e)r.fingerprint=ti((el=e))
f.push([JSON.stringify(r),e+","+eu])
eu=0
ep??=setTimeout(p(em),1000)}
let H=new Map()
let eI=c=>{ep=clearTimeout(ep)
if(!f.length)return
let t=F()
let[[d,n]]=f
let[l,a]=n.split(",")
let u={name:"shockmouse-agent",version:ej}
let tk={batch_id:t,library:u,context:tr(l),dropped:+a?{too_large:+a}:undefined}
let o=JSON.stringify(tk).slice(0,-1)+',"events":['
let e=1
for(let r=R(o+d).length;f[e]?.[1]===n;e++){r+=R(f[e][0]).length+1
if(r>c)break}
let s=f.splice(0,e)
return[t,o+s.map(([tx])=>tx)+"]}",s]}
let eJ=e=>'{"sent_at":"'+new Date().toJSON()+'",'+e.slice(1)
let eK=e=>{H.delete(e)
er("batch."+e)}
let eL=()=>{if(B()!=="strict")
for(let e of M("batch.")){let t=P(e.slice(11),/^{"batch_id".*/s)
if(t)H.set(e.slice(17),t)}
return[...H].sort()}
let eh=p((e,t)=>{H.set(e,t)
if(B()!=="strict")A("batch."+e,t)
let n=0
for(let[e,t]of eL().reverse()){if((n+=t.length)>256e3)eK(e)}})
let U=0
let z=eB
let eM
let eg=async(o,e,n)=>{let r=R(e).length
let t,s
try{let a=await fetch(L,{method:"POST",body:eJ(e),keepalive:r<=eB,signal:AbortSignal.timeout?.(3e4)})
t=a.status
s=a.headers.get("retry-after")*1000
await a.text()}catch{}
if(t&&!/40[1348]|429|5../.test(t)){U=0
eK(o)
if(t===413){z=Math.min(z,r/2)
if(n?.[1])f=n.concat(f)
else eu+=(n||JSON.parse(e).events).length}
return true}
eh(o,e)
clearTimeout(eM)
eM=setTimeout(V,Math.min((s||0)+Math.random()*500*2**++U,5*ei))}
let eN=async()=>{for(let[e,t]of eL())if(Q()==="no"||!(await eg(e,t)))return}
let V=p(()=>navigator.locks?.request("shockmouse",eN)??eN())
let em=async()=>{for(let e;(e=eI(z));)U?eh(...e):await eg(...e)}
let td=e=>p(()=>fetchLater(L,{method:"POST",body:e,activateAfter:0}))()||p(()=>navigator.sendBeacon(L,e))()
let eO=()=>{let e=navigator.onLine&&(!U||B()==="strict")
for(let n=z;f.length;){let[a,t,o]=eI(n)
if(e&&td(eJ(t)))continue
if(e&&(n/=2)>500)f=o.concat(f)
else{eh(a,t)
if(e)eg(a,t,o).then(em)}}}
let eP=n=>{let{origin:a,pathname:e,search:o}=location
let t=y("hash")?location.hash:""
let r=t?e.replace(/\/$/,"")+t.replace(/^#\/?/,"/"):e
return{url:a+e+o+t,path:r,title:document.title,referrer:h&&!n?h.url:document.referrer}}
let ef=(t,n)=>{let e=eP(n)
if(h&&!n&&h[t]===e[t])return(h.url=e.url)
if(h)eQ()
for(let a of k.keys())if(!a.isConnected)W(a,"abandon")
h=e
X=0
eR()
if(y("pages"))v("page",h.title)}
let ev=e=>()=>setTimeout(p(ef),0,e)
let eb=p((e,t,n)=>{let a=e[t]
e[t]=function(...o){let r=a.apply(this,o)
p(n)(this)
return r}})
let X=0
let Y=0
let C=0
let eR=()=>{let e=((scrollY+innerHeight)/document.documentElement.scrollHeight)*100
X=Math.min(Math.max(X,Math.round(e)),100)}
let I=()=>{let e=performance.now()
if(C)Y+=e-C
C=!document.hidden&&document.hasFocus()?e:0}
let eQ=()=>{I()
if(Y<100)return
if(y("scroll"))
v("performance","engagement",{scroll_percent:X,engaged_ms:Math.round(Y)})
Y=0}
let eS="a,button,summary,[role=button],[role=link]"
let tl=eS+",[role=tab],[role^=menuitem],[data-shockmouse-name],select,input,textarea"
let tu=/\.(pdf|zip|t?gz|7z|rar|dmg|exe|msi|deb|apk|iso|csv|(xls|doc|ppt)x?|mp[34]|epub)$/i
let eT=e=>e.composedPath().filter(t=>t.nodeType===1)
let ey=e=>e.some(t=>t.closest("[data-shockmouse-ignore]"))
let tp=e=>{let t={tag:e.localName}
for(let{name:n,value:r}of e.attributes){let a={id:"id",class:"classes","aria-label":"label"}[n]||(n.startsWith("data-shockmouse-")&&n.slice(16))
if(a)t[a]=j(r,200)}
let o=":read-write,textarea,select"
if(e.matches(eS)&&!e.matches(o)&&!e.querySelector(o))
t.text=j(e.textContent.replace(/\s+/g," ").trim(),80)
return t}
let ek=[]
let J
let tm=o=>{let n=eT(o)
let t=n.find(a=>a.matches("a[href]"))
if(!n[0]||n[0]===J||o.button>(t?1:0))return
let r=n.find(a=>a.control?.labels||a.matches(tl))
J=r?.control
setTimeout(()=>(J=0))
let s=!J?.labels||r.matches("[data-shockmouse-name]")?r:J
if(ey(n.concat(s||[])))return
let e=tp(s||n[0])
if(/^https?:$/.test(t?.protocol)){e.href=t.origin+t.pathname
if(y("outbound")&&t.host!==location.host)e.outbound=true
if(y("downloads")&&(t.hasAttribute("download")||tu.test(t.pathname)))e.download=true}
let{timeStamp:d,clientX:l,clientY:u,detail:tk}=o
ek=ek.filter(c=>d-c.at<1000&&Math.hypot(l-c.x,u-c.y)<=30)
if(tk&&ek.push({at:d,x:l,y:u})===3)e.rage=true
if(y("clicks")?s||e.rage:e.outbound||e.download)
v("click",e.name||e.label||e.text||e.id||e.tag,e)}
let k=new Map()
let th=/pass|^hidden|card|cc-|cvc|cvv|iban|ssn|secret|token|pin$/i
let tg=o=>{let n=eT(o)
let{form:e,name:r,id:s,type:c,autocomplete:d}=n[0]
if(!e||ey(n))return
if(!k.has(e))k.set(e,{since:performance.now(),fields:[]})
let{fields:a}=k.get(e)
let t=j(r||s,80)
if(t&&!th.test(c+d+t)&&!a.includes(t))a.push(t)}
let W=(e,a)=>{let{since:C=0,fields:o=[]}=k.get(e)||{}
k.delete(e)
if(ey([e]))return
let t=e.getAttribute("name")||e.getAttribute("id")||undefined
let n=new URL(e.getAttribute("action")||"",location).pathname
v("form",t||n,{form:t,action:n,fields:o,outcome:a,duration_ms:C&&Math.round(performance.now()-C)})}
let eU=[]
let D=p((e,a,o)=>{if(!PerformanceObserver.supportedEntryTypes.includes(e))return
let t=p(r=>r.forEach(a))
let n=new PerformanceObserver(s=>t(s.getEntries()))
n.observe({type:e,buffered:true,...o})
eU.push(()=>t(n.takeRecords()))})
let eV=()=>performance.getEntriesByType("navigation")[0]
let x,Z,K,eW,w,E,ex,_,ee,eX
let eY=e=>{let t=(x={TTFB:e?0:undefined,CLS:0})
K=e
Z=e||eV()?.activationStart||0
eW=e||document.hidden
w={sum:0}
E=new Map()
ex=performance.interactionCount||0
_=ee=0
eX=h
if(e)
requestAnimationFrame(()=>requestAnimationFrame(()=>(t.FCP=t.LCP=performance.now()-Z)))}
let eZ=e=>({startTime:t})=>{if(!eW)x[e]=Math.max(t-Z,0)}
let tf=()=>{eY(0)
D("paint",o=>o.name==="first-contentful-paint"&&eZ("FCP")(o))
D("largest-contentful-paint",eZ("LCP"))
D("layout-shift",({startTime:e,value:s,hadRecentInput:c})=>{if(c||e<K)return
if(!(w.sum&&e-w.last<1000&&e-w.first<5000))
w={sum:0,first:e}
w.last=e
x.CLS=Math.max(x.CLS,(w.sum+=s))})
let r=({interactionId:n,startTime:e,duration:a})=>{if(!n||e<K)return
E.set(n,Math.max(E.get(n)||0,a))
let t=[...E].sort((d,l)=>l[1]-d[1])
if(t.length>10)E.delete(t.pop()[0])
let u="interactionCount"in performance?performance.interactionCount-ex:E.size
x.INP=t[Math.min(t.length-1,Math.floor(u/50))][1]}
D("event",r,{durationThreshold:40})
D("first-input",r)
D("longtask",({duration:a})=>{_++
ee=Math.max(ee,a)})}
let tv=()=>{eU.forEach(a=>a())
let e=x
if(!e)return
x=undefined
if(!K)e.TTFB=Math.max(eV()?.responseStart-Z,0)
if(!e.FCP)delete e.CLS
if(K&&performance.interactionCount>ex)e.INP??=8
let n=(t,o)=>v("performance",t,o,undefined,eX)
for(let t in e)if(e[t]>=0)n(t,{value:+e[t].toFixed(4)})
if(_)n("longtask",{count:_,duration_ms:Math.round(ee)})}
let e_=e=>new URL(e,document.baseURI).origin===location.origin&&B()!=="strict"&&g&&"01;s="+g.id+";d="+es()
let tb=p((e,t)=>{let n=!t?.url&&e_(e.url||e)
if(!n)return
let a=new Headers(t?.headers||e.headers)
a.set(eC,n)
return{...t,headers:a}})
let ty=()=>{let{fetch:r,XMLHttpRequest:{prototype:e}}=window
window.fetch=(t,n)=>r(t,tb(t,n)||n)
let{open:s}=e
e.open=function(...a){s.apply(this,a)
p(()=>{let o=e_(a[1])
if(o)this.setRequestHeader(eC,o)})()}}
let e$={track:(e,t)=>v("track",e,t),page:(e,t)=>{h=eP()
v("page",e||h.title,t)},identify:(n,t)=>{eH=n?j(n,256):undefined
v("identify",undefined,undefined,t)},optIn:()=>{G="yes"
if(en!=="strict")A("consent",G)
v("consent","given",{analytics:true})},optOut:()=>{v("consent","withdrawn",{analytics:false})
eO()
G="no"
H.clear()
p(()=>M("").forEach(e=>localStorage.removeItem(e)))()
A("consent",G)
er("session",sessionStorage)},flush:()=>em().then(V),}
let te=(window.shockmouse={version:ej})
for(let e in e$)
te[e]=p((...t)=>(h?e$[e](...t):eq.push([e,...t])))
let tt=()=>{let e={"#shockmouse-ignore":"no","#shockmouse-count":"yes"}[location.hash]
if(!e)return
e==="no"?A("consent",e):er("consent")
alert("Visits from this browser are counted: "+(Q()==="no"?"no":"yes"))}
let O=()=>{tt()
if(b.join!==undefined)ty()
ef()
for(let[d,...l]of eq)te[d]?.(...l)
I()
eb(history,"pushState",ev("url"))
eb(history,"replaceState",ev("path"))
m("popstate hashchange",ev("url"))
m("hashchange",tt)
m("focus blur",I)
m("scroll",eR)
m("online",()=>setTimeout(V,Math.random()*1000))
m("click auxclick",tm)
let n=()=>{tv()
eQ()
eO()}
m("visibilitychange",()=>{I()
if(document.hidden)n()})
m("pagehide",()=>{for(let t of k.keys())W(t,"abandon")
n()})
m("pageshow",({persisted:u,timeStamp:tk})=>{if(!u)return
ef("",true)
I()
if(y("vitals"))eY(tk)})
if(y("vitals"))tf()
if(y("forms")){m("input change",tg)
m("submit",({target:tx})=>W(tx,"submit"))
eb(HTMLFormElement.prototype,"submit",t=>k.has(t)&&W(t,"submit"))}
if(y("errors")){let a=new Set()
let o=(e,r,s,tw)=>{let{size:c}=a
if(c<20&&a.add(e+r+s).size>c)
v("error",e,{message:j(e,500),file:r,line:s,column:tw})}
m("error",({message:e,filename:tq,lineno:tj,colno:tz})=>e&&o(e,tq?.split("?")[0],tj,tz))
m("unhandledrejection",({reason:tA})=>o(tA?.message||"unhandled rejection"))}
V()}
let tn=()=>document.readyState==="loading"?m("DOMContentLoaded",O):p(O)()
document.prerendering?m("prerenderingchange",tn):tn()})()
